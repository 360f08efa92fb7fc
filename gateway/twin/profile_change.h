#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "gateway/base/refusal.h"
#include "gateway/base/status.h"
#include "gateway/base/symbols.h"
#include "gateway/journal/record.h"
#include "gateway/twin/side.h"
#include "gateway/twin/world.h"

namespace gemel::twin {

// What is said of a device while its twin lives. By field: true or false, a number, a text, the
// microseconds of a time, or null.
struct ProfileChange {
  Teller teller = Teller::kPerson;
  bool creates = false;  // the twin, if there is none
  nlohmann::json set = nlohmann::json::object();
  // Fields of which this teller's word counts no more, and what they are then: what the profile's
  // file says, or else the model.
  nlohmann::json unset = nlohmann::json::object();
};

// Reads {"driver":"Ann","limit_c":8,"note":null}: a JSON object of fields of source profile and
// their values, as JSON has them or as text; null where nothing is to be said any more. Refused,
// naming the field, the value and what is allowed.
std::optional<Refused> ReadProfileFields(std::string_view text, std::span<const gemel_field> table,
                                         nlohmann::json& fields);
// Of fields that were read so, for the twin of this id.
ProfileChange ChangeOf(const nlohmann::json& fields, const ModelEntry& entry, std::string_view id,
                       const Symbols& symbols);
// A value of a field as a change has it.
nlohmann::json ProfileValueOf(const gemel_value& value, const Symbols& symbols);
// Interns what fields of symbols hold, for the record. Invalid, naming the field, if that are too
// many texts.
Result<std::vector<journal::RecordSymbol>> InternProfile(const ProfileChange& change,
                                                         const model::Model& model,
                                                         Symbols& symbols);

// The payload of the record.
std::string EncodeProfileChange(const ProfileChange& change);
// Nothing if it is nothing that was written so.
std::optional<ProfileChange> DecodeProfileChange(std::string_view payload);

}  // namespace gemel::twin
