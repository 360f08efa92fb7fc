#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "gateway/base/status.h"
#include "gateway/base/symbols.h"
#include "gateway/sdk/model.h"

namespace gemel::model {

// Whether a profile fills the field in.
inline bool IsOfProfile(const gemel_field& field) { return field.source == GEMEL_FROM_PROFILE; }

// What is known of a model's devices before they speak: a row for each id, a column for each field
// of source profile. Immutable once loaded, so safe from any thread. A row takes its texts and
// values, packed, and some ten bytes: made for a million rows.
class Profile {
 public:
  // CSV or JSON lines (see codec::RowReader), plain or gzip, with a column `id`. An empty cell
  // leaves the field at the model's default. Interns the texts of symbols.
  //
  // NotFound, Unavailable or Damaged for a file that can't be read. Invalid, with file and line,
  // for a column that is no profile field of the table, a value that does not fit its field, an id
  // that is not allowed (see route::CheckId) or stands twice, and for more than 4 GiB of rows.
  static Result<Profile> Load(const std::filesystem::path& path, std::span<const gemel_field> table,
                              Symbols& symbols);
  Profile(Profile&&) noexcept;
  Profile& operator=(Profile&&) noexcept;
  ~Profile();

  // Writes the row's values into a state of the model; nothing if there is no row for the id. Does
  // not allocate. REQUIRES: the table that it was loaded with still lives
  void Apply(std::string_view id, std::byte* state) const;
  size_t size() const;

 private:
  class Rows;
  class Loader;
  explicit Profile(std::unique_ptr<Rows> rows);
  std::unique_ptr<Rows> rows_;
};

}  // namespace gemel::model
