#include "gateway/twin/twin_message.h"

#include <cstring>

#include "gateway/base/assert.h"
#include "gateway/base/limits.h"
#include "gateway/sdk/arguments.hpp"

namespace gemel::twin {
namespace {

static_assert(kIdBytesMax <= UINT8_MAX && kFieldNameBytesMax <= UINT8_MAX, "a size of one byte");

template <typename Number>
void Append(Number number, std::string& out) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void AppendShort(std::string_view text, std::string& out) {
  GEMEL_ASSERT(text.size() <= UINT8_MAX);
  Append(static_cast<uint8_t>(text.size()), out);
  out += text;
}

void AppendLong(std::string_view text, std::string& out) {
  Append(static_cast<uint32_t>(text.size()), out);
  out += text;
}

// What is left of a payload. After a failure nothing more is taken.
class Rest {
 public:
  explicit Rest(std::string_view bytes) : bytes_(bytes) {}
  bool has_failed() const { return has_failed_; }
  bool is_empty() const { return bytes_.empty(); }

  template <typename Number>
  Number Take() {
    Number number{};
    if (const std::string_view bytes = Bytes(sizeof number); !bytes.empty())
      std::memcpy(&number, bytes.data(), sizeof number);
    return number;
  }
  template <typename Size>
  gemel_text Text() {
    return ToText(Bytes(Take<Size>()));
  }

 private:
  std::string_view Bytes(size_t size) {
    has_failed_ = has_failed_ || size > bytes_.size();
    if (has_failed_) return {};
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  std::string_view bytes_;
  bool has_failed_ = false;
};

}  // namespace

void EncodeTwinMessage(std::string_view model, std::string_view id, std::string_view name,
                       const gemel_argument* arguments, size_t count, const Symbols& symbols,
                       std::string& payload) {
  AppendShort(model, payload);
  AppendShort(id, payload);
  AppendShort(name, payload);
  for (size_t i = 0; i < count; ++i) {
    const gemel_value& value = arguments[i].value;
    const bool is_symbol = value.type == GEMEL_SYMBOL;
    Append(static_cast<uint8_t>(is_symbol ? uint32_t{GEMEL_TEXT} : value.type), payload);
    AppendShort(ToView(arguments[i].name), payload);
    switch (value.type) {
      case GEMEL_NULL:
        break;
      case GEMEL_DOUBLE:
        Append(value.as.number, payload);
        break;
      case GEMEL_SYMBOL:
        AppendLong(symbols.TextOf(Symbol{static_cast<uint32_t>(value.as.integer)}), payload);
        break;
      case GEMEL_TEXT:
        AppendLong({value.as.text, value.length}, payload);
        break;
      default:
        Append(value.as.integer, payload);
    }
  }
}

bool TwinMessageReader::Read(std::string_view payload) {
  Rest rest(payload);
  message_ = {};
  message_.struct_size = sizeof message_;
  message_.model = rest.Text<uint8_t>();
  message_.id = rest.Text<uint8_t>();
  message_.name = rest.Text<uint8_t>();
  arguments_.clear();
  while (!rest.has_failed() && !rest.is_empty()) {
    gemel_argument argument{};
    argument.value.type = rest.Take<uint8_t>();
    argument.name = rest.Text<uint8_t>();
    switch (argument.value.type) {
      case GEMEL_NULL:
        break;
      case GEMEL_DOUBLE:
        argument.value.as.number = rest.Take<double>();
        break;
      case GEMEL_TEXT: {
        const gemel_text text = rest.Text<uint32_t>();
        argument.value.as.text = text.data;
        argument.value.length = static_cast<uint32_t>(text.size);
        break;
      }
      case GEMEL_BOOL:
      case GEMEL_INT64:
      case GEMEL_TIME:
        argument.value.as.integer = rest.Take<int64_t>();
        break;
      default:
        return false;
    }
    arguments_.push_back(argument);
  }
  message_.arguments = arguments_.data();
  message_.arguments_count = arguments_.size();
  return !rest.has_failed();
}

}  // namespace gemel::twin
