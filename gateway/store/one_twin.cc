#include "gateway/store/one_twin.h"

#include <string>

#include <fmt/format.h>

#include "gateway/sqlite/database.h"
#include "gateway/store/model_table.h"
#include "gateway/store/row.h"

namespace gemel::store {

Result<twin::Twin*> RestoreOne(const std::filesystem::path& database, uint16_t model,
                               std::string_view id, twin::Engine& engine) {
  const std::string& name = engine.world().models[model].model->name();
  GEMEL_TRY_LET(auto opened, sqlite::Database::Open(database, sqlite::Database::Mode::kReadOnly));
  GEMEL_TRY_LET(auto table, opened.Prepare("SELECT * FROM gemel_tables WHERE name = ?1"));
  table.Bind(1, std::string_view(name));
  GEMEL_TRY_LET(const bool has_table, table.Step());
  if (!has_table) return nullptr;
  CheckedRow about(table, "gemel_tables");
  GEMEL_TRY(about.Take());
  const auto fields = FieldsFromJson(about.text(1));
  if (!fields) return Damaged(fmt::format("table {}: its fields are not what was written", name));
  GEMEL_TRY_LET(const RowReader reader, RowReader::Make(*fields, engine.world(), model));
  GEMEL_TRY_LET(auto select, opened.Prepare(fmt::format("SELECT * FROM {} WHERE id = ?1",
                                                        sqlite::QuoteName(name))));
  select.Bind(1, id);
  GEMEL_TRY_LET(const bool has_row, select.Step());
  if (!has_row) return nullptr;
  CheckedRow row(select, name);
  GEMEL_TRY(row.Take());
  twin::Twin& twin = engine.Restore(model, HashKey(name, id), id);
  GEMEL_TRY(reader.Read(row, engine, twin));
  return &twin;
}

}  // namespace gemel::store
