#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "gateway/base/status.h"
#include "gateway/base/symbols.h"
#include "gateway/journal/record.h"
#include "gateway/model/model.h"
#include "gateway/sdk/model.h"

namespace gemel::twin {

// What is known of a device beside what it says, while its twin lives.
struct ProfileChange {
  enum class From : uint8_t {
    kPerson,  // or another program: holds until it is said otherwise
    kFile,    // the model's profile file has changed: holds where nobody has said anything
  };
  From from = From::kPerson;
  bool creates = false;  // the twin, if there is none
  // By field: true or false, a number, a text, or the microseconds of a time; null for what the
  // profile file says, or else the model's default.
  nlohmann::json fields = nlohmann::json::object();
};

// Reads {"driver":"Ann","limit_c":8,"note":null}: a JSON object of fields of source profile and
// their values, as JSON has them or as text. Invalid, naming the field, the value and what is
// allowed.
Result<nlohmann::json> ReadProfileFields(std::string_view text, std::span<const gemel_field> table);

// Interns what fields of symbols hold, for the record. Invalid, naming the field, if that are too
// many texts.
Result<std::vector<journal::RecordSymbol>> InternProfile(const nlohmann::json& fields,
                                                         const model::Model& model,
                                                         Symbols& symbols);

// Whether a profile may fill this field.
bool IsOfProfile(const gemel_field& field);

// The payload of the record.
std::string EncodeProfileChange(const ProfileChange& change);
// Nothing if it is nothing that was written so.
std::optional<ProfileChange> DecodeProfileChange(std::string_view payload);

}  // namespace gemel::twin
