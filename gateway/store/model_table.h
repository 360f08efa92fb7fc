#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/base/symbols.h"
#include "gateway/model/model.h"
#include "gateway/sqlite/database.h"
#include "gateway/store/row.h"
#include "gateway/store/twin_batch.h"
#include "gateway/twin/table.h"
#include "gateway/twin/world.h"

namespace gemel::store {

// A field as a table's columns hold it. A field with an event time has a second column for it.
struct StoredField {
  std::string name;
  uint32_t type = 0;  // gemel_type
  bool is_timed = false;
  std::string layout;  // of a window, and its bytes
  uint32_t size = 0;
  friend bool operator==(const StoredField&, const StoredField&) = default;
};
std::vector<StoredField> StoredFieldsOf(const model::Model& model);
// As the database keeps them, and back; nothing if the text is none of ours.
std::string ToJson(const std::vector<StoredField>& fields);
std::optional<std::vector<StoredField>> FieldsFromJson(std::string_view text);

// The statements for a table of these fields: `gemel_row` (the key), `id`, the fields, and what
// else a twin is, in columns that begin with gemel_.
std::string CreateTable(std::string_view table, const std::vector<StoredField>& fields);
// Parameters: id, the other columns in their order, gemel_row.
std::string InsertInto(std::string_view table, const std::vector<StoredField>& fields);
std::string UpdateOf(std::string_view table, const std::vector<StoredField>& fields);

// Writes a twin's row, all but gemel_row; returns the checksum.
uint32_t WriteRow(const CopiedTwin& twin, const model::Model& model, const Symbols& symbols,
                  RowWriter& writer);

// Reads rows whose columns are those of `stored` into states of a model whose table may be another
// one by now. A field that the model has no more is left out; one that is new has its default; one
// of another type is converted where nothing can be lost: bool to int64 and double, int64 to double
// and time, time to int64, symbol and text to each other. A window of another layout or size has
// its default: what its bytes meant is known to nobody any more.
class RowReader {
 public:
  // Invalid, naming the field, where no rule fits. Model, world and symbols outlive the reader.
  static Result<RowReader> Make(const std::vector<StoredField>& stored, const twin::World& world,
                                uint16_t model);

  // The twin of a row. Damaged if the row holds what was never written.
  Status Read(const CheckedRow& row, twin::Engine& engine, twin::Twin& twin) const;
  // Whether the row's table has room for this of the columns that every table has.
  bool Has(const CheckedRow& row, int system_column) const;
  static std::string_view IdOf(const CheckedRow& row) { return row.text(1); }

 private:
  struct Column {
    const gemel_field* field = nullptr;
    int value = 0;  // index of the columns
    int time = -1;  // none
  };
  RowReader(const twin::World& world, uint16_t model) : world_(&world), model_(model) {}
  Status Restore(const Column& column, const CheckedRow& row, std::byte* state) const;

  const twin::World* world_;
  uint16_t model_;
  std::vector<Column> columns_;
  int first_system_ = 0;
};

}  // namespace gemel::store
