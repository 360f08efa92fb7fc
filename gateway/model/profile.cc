#include "gateway/model/profile.h"

#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include "gateway/base/limits.h"
#include "gateway/base/quote.h"
#include "gateway/codec/field_map.h"
#include "gateway/codec/rows.h"
#include "gateway/model/state.h"
#include "gateway/route/id.h"
#include "gateway/sdk/arguments.hpp"

namespace gemel::model {
namespace {

constexpr size_t kBytesMax = std::numeric_limits<uint32_t>::max();
constexpr std::string_view kId = "id";
static_assert(kIdBytesMax <= std::numeric_limits<uint8_t>::max());
static_assert(kFieldsMax <= std::numeric_limits<uint16_t>::max());

template <typename T>
void Put(T value, std::string& out) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

template <typename T>
T Take(const char*& at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  at += sizeof value;
  return value;
}

}  // namespace

// One block of bytes: a row is its id (length in one byte), the number of its values (two) and, for
// each, the field's index in the table (two) and the value as its type is packed. The index over it
// holds where rows begin.
class Profile::Rows {
 public:
  explicit Rows(std::span<const gemel_field> table)
      : table_(table), index_(0, Hash{bytes_}, Equal{bytes_}) {}
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  // False if there is a row for this id.
  bool Begin(std::string_view id) {
    const size_t begin = bytes_.size();
    GEMEL_ASSERT(begin <= kBytesMax);
    Put(static_cast<uint8_t>(id.size()), bytes_);
    bytes_ += id;
    count_at_ = bytes_.size();
    Put(uint16_t{0}, bytes_);
    return index_.insert(static_cast<uint32_t>(begin)).second;
  }

  // Adds a value, which is not null, to the row begun last.
  void Add(uint16_t field, const gemel_value& value) {
    const char* count = bytes_.data() + count_at_;
    const auto values = static_cast<uint16_t>(Take<uint16_t>(count) + 1);
    std::memcpy(bytes_.data() + count_at_, &values, sizeof values);
    Put(field, bytes_);
    switch (table_[field].type) {
      case GEMEL_BOOL:
        Put(static_cast<uint8_t>(value.as.integer), bytes_);
        break;
      case GEMEL_SYMBOL:
        Put(static_cast<uint32_t>(value.as.integer), bytes_);
        break;
      case GEMEL_DOUBLE:
        Put(value.as.number, bytes_);
        break;
      case GEMEL_TEXT:
        Put(static_cast<uint16_t>(value.length), bytes_);
        bytes_.append(value.as.text, value.length);
        break;
      default:
        Put(value.as.integer, bytes_);
    }
  }

  void Apply(std::string_view id, std::byte* state) const {
    const auto row = index_.find(id);
    if (row == index_.end()) return;
    const char* at = bytes_.data() + *row + 1 + id.size();
    for (auto values = Take<uint16_t>(at); values > 0; --values) {
      const gemel_field& field = table_[Take<uint16_t>(at)];
      WriteValue(field, state, TakeValue(field, at));
    }
  }

  void Shrink() { bytes_.shrink_to_fit(); }
  size_t bytes() const { return bytes_.size(); }
  size_t size() const { return index_.size(); }

 private:
  static std::string_view IdAt(const std::string& bytes, uint32_t row) {
    return std::string_view(bytes).substr(row + 1, static_cast<uint8_t>(bytes[row]));
  }
  struct Hash {
    using is_transparent = void;
    std::reference_wrapper<const std::string> bytes;
    size_t operator()(std::string_view id) const { return std::hash<std::string_view>{}(id); }
    size_t operator()(uint32_t row) const { return (*this)(IdAt(bytes, row)); }
  };
  struct Equal {
    using is_transparent = void;
    std::reference_wrapper<const std::string> bytes;
    bool operator()(uint32_t row, std::string_view id) const { return IdAt(bytes, row) == id; }
    bool operator()(uint32_t a, uint32_t b) const { return IdAt(bytes, a) == IdAt(bytes, b); }
  };

  static gemel_value TakeValue(const gemel_field& field, const char*& at) {
    switch (field.type) {
      case GEMEL_BOOL:
        return ToValue(Take<uint8_t>(at) != 0);
      case GEMEL_SYMBOL:
        return ToValue(Symbol{Take<uint32_t>(at)});
      case GEMEL_DOUBLE:
        return ToValue(Take<double>(at));
      case GEMEL_TIME:
        return ToValue(Time{Duration{Take<int64_t>(at)}});
      case GEMEL_TEXT: {
        const auto size = Take<uint16_t>(at);
        at += size;
        return ToValue(std::string_view(at - size, size));
      }
      default:
        return ToValue(Take<int64_t>(at));
    }
  }

  const std::span<const gemel_field> table_;
  std::string bytes_;
  size_t count_at_ = 0;  // of the row begun last
  absl::flat_hash_set<uint32_t, Hash, Equal> index_;
};

class Profile::Loader {
 public:
  Loader(codec::RowReader reader, std::span<const gemel_field> table, Symbols& symbols)
      : reader_(std::move(reader)),
        table_(table),
        symbols_(symbols),
        rows_(std::make_unique<Rows>(table)) {}

  Result<Profile> Load() {
    GEMEL_TRY(Bind());
    for (;;) {
      GEMEL_TRY_LET(const bool has_row, reader_.Next());
      if (!has_row) break;
      GEMEL_TRY(Bind());
      GEMEL_TRY(AddRow());
    }
    rows_->Shrink();
    return Profile(std::move(rows_));
  }

 private:
  // Finds the field of each column that was not looked at yet.
  Status Bind() {
    const auto& columns = reader_.columns();
    for (size_t i = fields_.size(); i < columns.size(); ++i) {
      std::optional<uint16_t> field;
      for (size_t f = 0; f < table_.size(); ++f) {
        if (columns[i] == table_[f].name && IsOfProfile(table_[f]))
          field = static_cast<uint16_t>(f);
      }
      if (columns[i] == kId) {
        id_column_ = i;
      } else if (!field) {
        return reader_.Wrong(fmt::format("column {} is no profile field of the model; allowed: {}",
                                         Quote(columns[i]), Allowed()));
      }
      fields_.push_back(field);
    }
    if (!id_column_ && !columns.empty()) return reader_.Wrong("there is no column \"id\"");
    return Status::Ok();
  }

  std::string Allowed() const {
    std::string allowed(kId);
    for (const gemel_field& field : table_) {
      if (IsOfProfile(field)) allowed += fmt::format(", {}", field.name);
    }
    return allowed;
  }

  Status AddRow() {
    const auto cells = reader_.cells();
    const std::string_view id = cells[*id_column_];
    if (const auto refused = route::CheckId(id)) return reader_.Wrong(*refused);
    if (rows_->bytes() > kBytesMax)
      return reader_.Wrong(fmt::format("more than {} bytes of rows", kBytesMax));
    if (!rows_->Begin(id)) return reader_.Wrong(fmt::format("id {} stands twice", Quote(id)));
    for (size_t i = 0; i < cells.size(); ++i) {
      if (cells[i].empty() || i == *id_column_) continue;
      GEMEL_TRY(AddCell(*fields_[i], cells[i]));
    }
    return Status::Ok();
  }

  Status AddCell(uint16_t index, std::string_view cell) {
    gemel_value value{};
    // Names the field, the value and what is allowed.
    if (const auto refused = decoder_.Scalar(table_[index], cell, value))
      return reader_.Wrong(fmt::format("column {}", refused->detail));
    if (value.type == GEMEL_TEXT && table_[index].type == GEMEL_SYMBOL) {
      const std::string_view text(value.as.text, value.length);  // without the blanks of the cell
      const auto symbol = symbols_.Intern(text);
      if (!symbol) {
        return reader_.Wrong(
            fmt::format("column {}: {} is a new text in a field for few distinct ones; at most {} "
                        "in all models "
                        "are allowed",
                        table_[index].name, Quote(text), symbols_.size()));
      }
      value = ToValue(*symbol);
    }
    if (value.type != GEMEL_NULL) rows_->Add(index, value);
    return Status::Ok();
  }

  codec::RowReader reader_;
  const std::span<const gemel_field> table_;
  Symbols& symbols_;
  codec::Decoder decoder_;
  std::unique_ptr<Rows> rows_;
  std::vector<std::optional<uint16_t>> fields_;  // of each column; none for the id
  std::optional<size_t> id_column_;
};

Result<Profile> Profile::Load(const std::filesystem::path& path, std::span<const gemel_field> table,
                              Symbols& symbols) {
  GEMEL_TRY_LET(codec::RowReader reader, codec::RowReader::Open(path));
  return Loader(std::move(reader), table, symbols).Load();
}

Profile::Profile(std::unique_ptr<Rows> rows) : rows_(std::move(rows)) {}
Profile::Profile(Profile&&) noexcept = default;
Profile& Profile::operator=(Profile&&) noexcept = default;
Profile::~Profile() = default;

void Profile::Apply(std::string_view id, std::byte* state) const { rows_->Apply(id, state); }
size_t Profile::size() const { return rows_->size(); }

}  // namespace gemel::model
