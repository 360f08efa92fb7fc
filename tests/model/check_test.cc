#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/base/limits.h"
#include "gateway/model/plugin.h"

namespace gemel::model {
namespace {

constexpr const char* kChoices[] = {"cold", "warm"};
constexpr const char* kBadChoices[] = {"cold", "Very Warm"};

// A table without a defect, one field a kind, to be broken by a test.
struct Draft {
  std::vector<gemel_field> fields = {
      {"temp_c", "degC", "Inside.", GEMEL_DOUBLE, GEMEL_FROM_TELEMETRY, 0, 8, 8, 0, nullptr},
      {"region", "", "Where.", GEMEL_SYMBOL, GEMEL_FROM_TOPIC, 16, 4, 24, 0, nullptr},
      {"limit_c", "degC", "Allowed.", GEMEL_DOUBLE, GEMEL_FROM_PROFILE, 32, 8, GEMEL_NO_OFFSET, 0,
       nullptr},
      {"mood", "", "How it is.", GEMEL_SYMBOL, GEMEL_FROM_MODEL, 20, 1, GEMEL_NO_OFFSET, 2,
       kChoices},
      {"note", "", "Said.", GEMEL_TEXT, GEMEL_FROM_MODEL, 40, 10, GEMEL_NO_OFFSET, 0, nullptr},
      {"is_on", "", "Runs.", GEMEL_BOOL, GEMEL_FROM_MODEL, 21, 1, GEMEL_NO_OFFSET, 0, nullptr}};
  gemel_model table = {GEMEL_ABI_VERSION,
                       sizeof(gemel_model),
                       "fridge",
                       "A refrigerator.",
                       56,
                       8,
                       nullptr,
                       0,
                       [](const gemel_setup*) -> void* { return nullptr; },
                       [](void*) {},
                       [](void*) {},
                       [](const void*, void*, gemel_context*) { return 0; },
                       [](const void*, void*, const gemel_message*, gemel_context*) { return 0; },
                       nullptr};
};

std::string Said(const std::function<void(Draft&)>& spoil) {
  Draft draft;
  spoil(draft);
  if (draft.table.fields_count == 0) {
    draft.table.fields = draft.fields.data();
    draft.table.fields_count = draft.fields.size();
  }
  const Status status = CheckTable(draft.table);
  EXPECT_EQ(status.message().find('\n'), std::string::npos) << status.message();
  EXPECT_TRUE(status.ok() || status.code() == Code::kInvalid);
  return status.message();
}

void ExpectSaid(const char* wanted, const std::function<void(Draft&)>& spoil) {
  const std::string said = Said(spoil);
  EXPECT_NE(said.find(wanted), std::string::npos) << "wanted: " << wanted << "\nsaid: " << said;
}

TEST(CheckTest, ASoundTableIsAccepted) {
  EXPECT_EQ(Said([](Draft&) {}), "");
}

TEST(CheckTest, AStateAndATableMayBeAsLargeAsTheBounds) {
  EXPECT_EQ(Said([](Draft& d) { d.table.state_size = kStateBytesMax; }), "");
  static std::vector<std::string> names;
  for (size_t i = 0; i < kFieldsMax + 1; ++i) names.push_back("f" + std::to_string(i));
  const auto with = [&](size_t count) {
    return [count](Draft& d) {
      d.fields.clear();
      d.table.state_size = kStateBytesMax;
      for (uint32_t i = 0; i < count; ++i) {
        d.fields.push_back({names[i].c_str(), "", "One.", GEMEL_BOOL, GEMEL_FROM_MODEL, i, 1,
                            GEMEL_NO_OFFSET, 0, nullptr});
      }
    };
  };
  EXPECT_EQ(Said(with(kFieldsMax)), "");
  ExpectSaid("model fridge: 257 fields; at most 256 are allowed", with(kFieldsMax + 1));
}

TEST(CheckTest, HeadOfTheTable) {
  ExpectSaid("built for ABI version 2", [](Draft& d) { d.table.abi_version = 2; });
  ExpectSaid("its gemel_model has 8 bytes", [](Draft& d) { d.table.struct_size = 8; });
  for (const char* name : {"", "Fridge", "9lives", "a b", "a/b", "_a"}) {
    ExpectSaid("the model's name must match", [&](Draft& d) { d.table.name = name; });
  }
  ExpectSaid("the model's name must match", [](Draft& d) { d.table.name = nullptr; });
  static const std::string long_name(kFieldNameBytesMax + 1, 'a');
  ExpectSaid("the model's name must match", [](Draft& d) { d.table.name = long_name.c_str(); });
}

TEST(CheckTest, EveryFunctionMustBeThere) {
  ExpectSaid("a function is missing", [](Draft& d) { d.table.create = nullptr; });
  ExpectSaid("a function is missing", [](Draft& d) { d.table.destroy = nullptr; });
  ExpectSaid("a function is missing", [](Draft& d) { d.table.construct = nullptr; });
  ExpectSaid("a function is missing", [](Draft& d) { d.table.on_init = nullptr; });
  ExpectSaid("a function is missing", [](Draft& d) { d.table.on_telemetry = nullptr; });
}

TEST(CheckTest, SizeAndAlignmentOfTheState) {
  ExpectSaid("a state of 0 bytes; 1 to 16384 are allowed",
             [](Draft& d) { d.table.state_size = 0; });
  ExpectSaid("a state of 16385 bytes; 1 to 16384 are allowed",
             [](Draft& d) { d.table.state_size = kStateBytesMax + 1; });
  for (const uint32_t align : {0U, 3U, 32U}) {
    ExpectSaid("state alignment", [&](Draft& d) { d.table.state_align = align; });
  }
}

TEST(CheckTest, NamesOfFields) {
  for (const char* name : {"Temp", "1st", "oil temp", "a.b", ""}) {
    ExpectSaid("the name of field 0 must match", [&](Draft& d) { d.fields[0].name = name; });
  }
  ExpectSaid("the name of field 2 must match", [](Draft& d) { d.fields[2].name = nullptr; });
  ExpectSaid("field temp_c: the name is taken", [](Draft& d) { d.fields[1].name = "temp_c"; });
  ExpectSaid("field id: the name is taken", [](Draft& d) { d.fields[1].name = "id"; });
  ExpectSaid("field age_ms: the name is taken", [](Draft& d) { d.fields[1].name = "age_ms"; });
  ExpectSaid("unit and meaning must be given", [](Draft& d) { d.fields[1].unit = nullptr; });
  ExpectSaid("unit and meaning must be given", [](Draft& d) { d.fields[1].meaning = nullptr; });
  ExpectSaid("model fridge: 3 fields", [](Draft& d) { d.table.fields_count = 3; });
}

TEST(CheckTest, TypesAndSources) {
  ExpectSaid("field temp_c: type 0 does not exist", [](Draft& d) { d.fields[0].type = 0; });
  ExpectSaid("field temp_c: type 8 does not exist", [](Draft& d) { d.fields[0].type = 8; });
  ExpectSaid("field temp_c: source 0 does not exist", [](Draft& d) { d.fields[0].source = 0; });
  ExpectSaid("field temp_c: source 5 does not exist", [](Draft& d) { d.fields[0].source = 5; });
}

TEST(CheckTest, PlacesInTheState) {
  ExpectSaid("field temp_c: 4 bytes; its type takes 8", [](Draft& d) { d.fields[0].size = 4; });
  ExpectSaid("field note: 2 bytes", [](Draft& d) { d.fields[4].size = 2; });
  ExpectSaid("field limit_c: bytes 52 to 60 lie outside the state of 56 bytes",
             [](Draft& d) { d.fields[2].offset = 52; });
  ExpectSaid("field limit_c: bytes 4294967288 to 4294967296 lie outside",
             [](Draft& d) { d.fields[2].offset = UINT32_MAX - 7; });
  ExpectSaid("field note: bytes 40 to 140", [](Draft& d) { d.fields[4].size = 100; });
  ExpectSaid("field limit_c: offset 33 is no multiple of 8",
             [](Draft& d) { d.fields[2].offset = 33; });
  ExpectSaid("field region: offset 18 is no multiple of 4",
             [](Draft& d) { d.fields[1].offset = 18; });
  ExpectSaid("fields limit_c and note overlap at byte 38",
             [](Draft& d) { d.fields[4].offset = 38; });
}

TEST(CheckTest, TimesOfFields) {
  const auto at = [](uint32_t time_offset) {
    return [time_offset](Draft& d) { d.fields[0].time_offset = time_offset; };
  };
  ExpectSaid("field temp_c: telemetry and topic fields must be Last<...>", at(GEMEL_NO_OFFSET));
  ExpectSaid("field limit_c: telemetry and topic fields must be Last<...>, others must not",
             [](Draft& d) { d.fields[2].time_offset = 8; });
  ExpectSaid("field temp_c: its event time at 56 lies outside", at(56));
  ExpectSaid("field temp_c: its event time at 12", at(12));
  ExpectSaid("fields temp_c and temp_c overlap at byte 0", at(0));
  ExpectSaid("overlap at byte 24", at(24));
}

TEST(CheckTest, Choices) {
  ExpectSaid("field temp_c: only a symbol that the model sets can have choices", [](Draft& d) {
    d.fields[0].choices = kChoices;
    d.fields[0].choices_count = 2;
  });
  ExpectSaid("field mood: only a symbol that the model sets can have choices",
             [](Draft& d) { d.fields[3].source = GEMEL_FROM_PROFILE; });
  ExpectSaid("field mood: 2 choices; 1 to 255 are allowed",
             [](Draft& d) { d.fields[3].choices = nullptr; });
  ExpectSaid("field mood: 256 choices; 1 to 255 are allowed",
             [](Draft& d) { d.fields[3].choices_count = 256; });
  ExpectSaid("field mood: choice 1 must match",
             [](Draft& d) { d.fields[3].choices = kBadChoices; });
}

// In the place of the field `note`.
std::function<void(Draft&)> Window(const std::function<void(gemel_field&)>& spoil) {
  return [spoil](Draft& d) {
    static constexpr const char* kLayout[] = {"ring<double,32>/1"};
    d.fields[4] = {"recent",        "", "Seen.", GEMEL_WINDOW, GEMEL_FROM_MODEL, 41, 9,
                   GEMEL_NO_OFFSET, 1,  kLayout};
    spoil(d.fields[4]);
  };
}

TEST(CheckTest, AWindowMayLieAnywhereAndBeAsLargeAsTheState) {
  EXPECT_EQ(Said(Window([](gemel_field&) {})), "");
  EXPECT_EQ(Said([](Draft& d) {
              Window([](gemel_field& field) { field.size = kStateBytesMax - 41; })(d);
              d.table.state_size = kStateBytesMax;
            }),
            "");
}

TEST(CheckTest, AWindowHasASizeALayoutAndNobodyButTheModelToFillIt) {
  ExpectSaid("field recent: 0 bytes", Window([](gemel_field& field) { field.size = 0; }));
  ExpectSaid("field recent: bytes 41 to 141 lie outside",
             Window([](gemel_field& field) { field.size = 100; }));
  ExpectSaid("fields limit_c and recent overlap at byte 39",
             Window([](gemel_field& field) { field.offset = 39; }));
  ExpectSaid("field recent: only the model itself can fill a window",
             Window([](gemel_field& field) { field.source = GEMEL_FROM_PROFILE; }));
  for (const uint32_t source : {GEMEL_FROM_TELEMETRY, GEMEL_FROM_TOPIC}) {
    ExpectSaid("only the model itself can fill a window", [source](Draft& d) {
      Window([source](gemel_field& field) {
        field.source = source;
        field.time_offset = 56;
      })(d);
      d.table.state_size = 64;
    });
  }
  ExpectSaid("field recent: the one choice of a window is its layout",
             Window([](gemel_field& field) { field.choices_count = 0; }));
  ExpectSaid("the one choice of a window is its layout",
             Window([](gemel_field& field) { field.choices = nullptr; }));
  ExpectSaid("the one choice of a window is its layout", Window([](gemel_field& field) {
               field.choices = kChoices;
               field.choices_count = 2;
             }));
  static const std::string long_layout(kLayoutBytesMax + 1, 'a');
  for (const char* layout : {"", "a b", "a\"b", "caf\u00e9", long_layout.c_str()}) {
    static const char* its = nullptr;
    its = layout;
    ExpectSaid("is its layout, 1 to 128 of [A-Za-z0-9_<>,.:/+-]",
               Window([](gemel_field& field) { field.choices = &its; }));
  }
}

}  // namespace
}  // namespace gemel::model
