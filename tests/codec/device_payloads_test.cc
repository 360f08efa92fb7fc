#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/base/time_text.h"
#include "gateway/codec/envelope.h"
#include "gateway/route/id.h"
#include "gateway/route/router.h"
#include "tests/codec/table.h"
#include "tests/support/data_dir.h"

// Messages of real device ecosystems through topic, envelope and field map, as a user would
// configure them: what each is read as, or why it is refused.
namespace gemel::codec {
namespace {

constexpr gemel_field Field(const char* name, const char* unit, gemel_type type,
                            uint32_t size = 8) {
  return {.name = name,
          .unit = unit,
          .meaning = "For tests.",
          .type = type,
          .source = GEMEL_FROM_TELEMETRY,
          .size = size,
          .time_offset = 0};
}

const gemel_field kFields[] = {
    Field("power_w", "W", GEMEL_DOUBLE),
    Field("power_1_w", "W", GEMEL_DOUBLE),
    Field("power_2_w", "W", GEMEL_DOUBLE),
    Field("total_kwh", "kWh", GEMEL_DOUBLE),
    Field("temperature_c", "degC", GEMEL_DOUBLE),
    Field("analog_c", "degC", GEMEL_DOUBLE),
    Field("co2_ppm", "", GEMEL_DOUBLE),
    Field("pressure_kpa", "kPa", GEMEL_DOUBLE),
    Field("total_m3", "m3", GEMEL_DOUBLE),
    Field("battery_pct", "%", GEMEL_DOUBLE),
    Field("lat", "deg", GEMEL_DOUBLE),
    Field("lon", "deg", GEMEL_DOUBLE),
    Field("speed_kmh", "km/h", GEMEL_DOUBLE),
    Field("odometer", "", GEMEL_INT64),
    Field("hca", "", GEMEL_INT64),
    Field("is_on", "", GEMEL_BOOL, 1),
    Field("is_online", "", GEMEL_BOOL, 1),
    Field("error_date", "", GEMEL_TIME),
    Field("driver", "", GEMEL_TEXT, 34),
    Field("event", "", GEMEL_SYMBOL, 4),
};

struct Source {
  const char* topic;
  EnvelopeSpec envelope;
  FieldMapSpec fields;
};

using Named = std::vector<std::pair<std::string, std::string>>;

Source Json(const char* topic, EnvelopeSpec envelope, std::vector<MappedField> fields) {
  return {
      topic, std::move(envelope), {.time_format = TimeFormat::kIso, .fields = std::move(fields)}};
}

Source Text(const char* topic, const char* field, Named values = {}) {
  return {topic,
          {.codec = Codec::kText},
          {.codec = Codec::kText,
           .text_field = field,
           .fields = {{.field = field, .values = std::move(values)}}}};
}

using SourcesByEcosystem = std::map<std::string, std::vector<Source>>;

// Devices that speak for themselves, each on topics of its own.
void AddDevices(SourcesByEcosystem& sources) {
  const EnvelopeSpec iso_time = {.time = "/Time", .time_format = TimeFormat::kIso};
  const Named on_off = {{"ON", "true"}, {"OFF", "false"}};
  sources["tasmota"] = {
      Json("tele/{id}/SENSOR", iso_time,
           {{.field = "power_w", .at = "/ENERGY/Power"},
            {.field = "power_1_w", .at = "/ENERGY/Power/0"},
            {.field = "power_2_w", .at = "/ENERGY/Power/1"},
            {.field = "temperature_c", .at = "/DHT22/Temperature"},
            {.field = "co2_ppm", .at = "/SCD40/CarbonDioxide"},
            {.field = "analog_c", .at = "/ANALOG/Temperature", .unit = "F"},
            {.field = "is_on", .at = "/Switch1", .values = on_off}}),
      Text("tele/{id}/LWT", "is_online", {{"Online", "true"}, {"Offline", "false"}}),
      Text("stat/{id}/POWER", "is_on", on_off)};
  const EnvelopeSpec no_time;
  const Named online = {{"online", "true"}, {"offline", "false"}};
  sources["zigbee2mqtt"] = {
      Json("zigbee2mqtt/{id}", no_time,
           {{.field = "temperature_c", .at = "/temperature"},
            {.field = "pressure_kpa", .at = "/pressure", .unit = "hPa"},
            {.field = "battery_pct", .at = "/battery"}}),
      Json("zigbee2mqtt/ward/{id}/door", {.time = "/last_seen", .time_format = TimeFormat::kIso},
           {{.field = "is_on", .at = "/contact"}, {.field = "battery_pct", .at = "/battery"}}),
      Json("zigbee2mqtt/{id}/availability", no_time,
           {{.field = "is_online", .at = "/state", .values = online}})};
  const EnvelopeSpec status = {.time = "/params/ts", .time_format = TimeFormat::kSeconds};
  sources["shelly"] = {Json("shelly1minig3-{id}/events/rpc", status,
                            {{.field = "is_on", .at = "/params/switch:0/output"}}),
                       Json("shellyplus1-{id}/events/rpc", status,
                            {{.field = "is_online", .at = "/params/cloud/connected"}}),
                       Json("shelly-blu/events/{id}", {.sequence = "/pid"},
                            {{.field = "temperature_c", .at = "/temperature"}}),
                       Text("shellyht-{id}/online", "is_online"),
                       Text("shellies/{id}/emeter/0/power", "power_w")};
  sources["homie"] = {
      Text("homie/{id}/engine/temperature", "temperature_c"),
      Text("homie/{id}/engine/running", "is_on"),
      Text("homie/{id}/$state", "is_online",
           {{"ready", "true"}, {"lost", "false"}, {"disconnected", "false"}, {"init", "null"}})};
}

// Trackers, radio networks and receivers that speak for others.
void AddNetworks(SourcesByEcosystem& sources) {
  const EnvelopeSpec tracked = {.time = "/tst", .time_format = TimeFormat::kSeconds};
  sources["owntracks"] = {Json("owntracks/fleet/{id}", tracked,
                               {{.field = "lat"},
                                {.field = "lon"},
                                {.field = "speed_kmh", .at = "/vel"},
                                {.field = "is_on", .at = "/ign"},
                                {.field = "temperature_c", .at = "/temp_c-01"},
                                {.field = "is_online",
                                 .at = "/_type",
                                 .values = {{"lwt", "false"}, {"location", "true"}}}}),
                          Json("owntracks/fleet/{id}/event", tracked, {{.field = "event"}})};
  sources["ttn"] = {Json("v3/+/devices/{id}/up",
                         {.time = "/received_at",
                          .time_format = TimeFormat::kIso,
                          .sequence = "/uplink_message/f_cnt"},
                         {{.field = "temperature_c", .at = "/uplink_message/decoded_payload/temp"},
                          {.field = "event", .at = "/uplink_message/decoded_payload/events"}})};
  sources["chirpstack"] = {
      Json("application/+/device/{id}/event/+",
           {.time = "/time", .time_format = TimeFormat::kIso, .message_id = "/deduplicationId"},
           {{.field = "temperature_c", .at = "/object/temp_SOIL"},
            {.field = "battery_pct", .at = "/batteryLevel"}})};
  sources["wmbusmeters"] = {
      Json("wmbusmeters/+", {.id = "/id", .time = "/timestamp", .time_format = TimeFormat::kIso},
           {{.field = "total_m3"},
            {.field = "temperature_c", .at = "/flow_temperature_c", .values = {{"127", "null"}}},
            {.field = "hca", .at = "/current_consumption_hca"},
            {.field = "error_date"},
            {.field = "event", .at = "/status"}})};
  sources["rtl_433"] = {Json("rtl_433/+/events",
                             {.id = "/id", .time = "/time", .time_format = TimeFormat::kIso},
                             {{.field = "temperature_c", .at = "/temperature_C"},
                              {.field = "analog_c", .at = "/temperature_F", .unit = "F"},
                              {.field = "pressure_kpa", .at = "/pressure_PSI", .unit = "psi"},
                              {.field = "event", .at = "/model"}})};
  sources["edge"] = {Json("fleet/{id}/telemetry", EnvelopeSpec{},
                          {{.field = "speed_kmh", .at = "/speed"},
                           {.field = "lat"},
                           {.field = "lon"},
                           {.field = "odometer"},
                           {.field = "driver"},
                           {.field = "error_date", .at = "/ts"}})};
}

// The routes that a user would write for each ecosystem.
SourcesByEcosystem Sources() {
  SourcesByEcosystem sources;
  AddDevices(sources);
  AddNetworks(sources);
  return sources;
}

// One ecosystem's routes, compiled.
struct Ecosystem {
  std::vector<route::Template> templates;
  std::vector<FieldMap> maps;
  std::vector<Envelope> envelopes;
  std::optional<route::Router> router;

  explicit Ecosystem(const std::vector<Source>& sources) {
    for (const Source& source : sources) {
      templates.push_back(*route::Template::Parse(source.topic));
      Result<FieldMap> map = FieldMap::Compile(kFields, source.fields);
      EXPECT_TRUE(map.ok()) << map.status().message();
      Result<Envelope> envelope = Envelope::Compile(source.envelope, *map);
      EXPECT_TRUE(envelope.ok()) << envelope.status().message();
      maps.push_back(*std::move(map));
      envelopes.push_back(*std::move(envelope));
    }
    Result<route::Router> built = route::Router::Build(templates);
    EXPECT_TRUE(built.ok()) << built.status().message();
    router = *std::move(built);
  }
};

std::string Refusal(const Refused& refused) {
  return fmt::format("! {} {}", RefusalName(refused.reason), refused.detail);
}

// What a message is read as: "id time fields", or "! reason detail".
class Reader {
 public:
  std::string Read(const Ecosystem& ecosystem, std::string_view topic, std::string_view payload) {
    if (const auto problem = route::CheckTopic(topic)) return "! topic_invalid " + *problem;
    route::Match match;
    if (!ecosystem.router->Find(topic, match)) return "! unroutable";
    const auto refused = envelope_.Read(ecosystem.envelopes[match.route], payload);
    if (refused) return Refusal(*refused);
    std::string text;
    for (const Reading& reading : envelope_.readings()) {
      std::string encoded;
      const std::string_view id = match.captures > 0 ? match.values[0] : reading.id;
      const auto problem = match.captures > 0 ? route::CheckId(id) : route::EncodeId(id, encoded);
      if (problem) return "! id_invalid " + *problem;
      text += match.captures > 0 ? std::string(id) : encoded;
      if (reading.time_us) text += " at " + FormatIsoTime(*reading.time_us);
      if (reading.message_id) text += fmt::format(" message={}", *reading.message_id);
      if (reading.sequence) text += fmt::format(" sequence={}", *reading.sequence);
      // Which of the two refuses a broken document does not matter.
      std::string fields = Fields(ecosystem.maps[match.route], reading);
      if (fields.starts_with("! ")) return fields;
      text += fields;
    }
    return text;
  }

 private:
  std::string Fields(const FieldMap& map, const Reading& reading) {
    std::vector<gemel_value> values(map.table_size());
    const Padded payload(reading.payload);
    const Padded outer(reading.outer);
    const auto refused = decoder_.Decode(map, reading.codec, payload.view(), outer.view(), values);
    if (refused) return Refusal(*refused);
    std::string text;
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i].type == GEMEL_NULL) continue;
      // A converted value is shown as a person would compare it.
      const bool is_converted =
          values[i].type == GEMEL_DOUBLE && fmt::format("{}", values[i].as.number).size() > 12;
      text += fmt::format(
          " {}={}", kFields[i].name,
          is_converted ? fmt::format("{:.2f}", values[i].as.number) : WrittenValue(values[i]));
    }
    for (uint32_t i = 0; i < reading.symbols; ++i) {
      text += fmt::format(" event={}", envelope_.symbols()[reading.first_symbol + i].text);
    }
    return text;
  }

  EnvelopeReader envelope_;
  Decoder decoder_;
};

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

// By line of messages.jsonl; of a refusal, how it begins.
constexpr const char* kExpected[] = {
    // tasmota
    "desk at 2023-05-19T20:52:56Z power_w=56",
    "dual at 2026-09-18T11:19:21Z power_1_w=52 power_2_w=5",
    "th10 at 2017-02-12T16:11:12Z temperature_c=23.9",
    "scd at 2023-05-28T20:04:27Z co2_ppm=618",
    "fan at 2020-08-30T10:15:00Z analog_c=37.83 is_on=false",
    "! payload_invalid no JSON",
    "desk is_online=true",
    "desk is_online=false",
    "! time_invalid time at \"/Time\" is nothing",
    "desk is_on=true",
    // zigbee2mqtt
    "fridge_ward3 temperature_c=4.5 pressure_kpa=91.55 battery_pct=91",
    "3 at 2024-03-01T09:00:00Z is_on=false",
    "fridge_ward3 is_online=false",
    "! unroutable",
    "! unroutable",
    // shelly
    "54320464a1d0 at 2025-01-11T13:56:50.490Z is_on=false",
    "08b61fd90730 at 2025-01-11T14:00:20.060Z is_online=true",
    "7c:c6:b6:7f:48:ed sequence=149 temperature_c=17",
    "AABBCC is_online=true",
    "shellyem-1 power_w=153.42",
    // homie
    "! unroutable",
    "! unroutable",
    "super-car is_online=true",
    "! unroutable",
    "! unroutable",
    "! unroutable",
    "! unroutable",
    "super-car temperature_c=91.5",
    "super-car is_on=true",
    "super-car is_online=false",
    // owntracks
    "truck42 at 2023-11-14T22:13:20Z lat=47.60621 lon=-122.33207 speed_kmh=88 is_online=true",
    "truck42 at 2023-11-14T22:18:20Z temperature_c=-17.8 lat=47.61 lon=-122.33 speed_kmh=0 "
    "is_on=false is_online=true",
    "truck42 at 2023-11-14T22:16:40Z lat=47.62 lon=-122.33 speed_kmh=61 is_online=true",
    "truck42 at 2023-11-14T22:20:00Z event=leave",
    "truck42 at 2023-11-14T19:26:40Z is_online=false",
    "! time_invalid time at \"/tst\" is nothing",
    // ttn
    "my-motion-sensor-1 at 2020-01-15T16:02:10.668892Z sequence=13 temperature_c=6 event=motion",
    "my-motion-sensor-1 at 2020-01-15T16:02:11.200Z sequence=13 temperature_c=6",
    "soil-7 at 2024-01-15T16:02:11Z",
    "! unroutable",
    // chirpstack
    "a8404187d187106e at 2024-06-20T08:48:38.863512Z "
    "message=9ffbc7be-916a-4597-9d64-0713a3d5e030 temperature_c=13.25",
    "0101010101010101 at 2024-06-20T09:00:00Z message=1 battery_pct=75.5",
    // wmbusmeters
    "76348799 at 2024-01-11T11:11:11Z total_m3=6.408 event=DRY",
    "44556677 at 2024-01-11T11:11:11Z temperature_c=2 total_m3=20.015 event=OK",
    "! field_invalid error_date: \"2127-15-31\" is no time",
    "00012345 at 2024-01-11T11:12:11Z total_m3=812.402",
    // rtl_433
    "9534 at 2020-10-19T07:00:32Z analog_c=-23.33 event=Acurite-986",
    "43248 at 2018-04-22T18:01:03Z analog_c=20.56 event=Acurite 986 Sensor",
    "5173f60b at 2025-08-04T18:22:45Z temperature_c=25 event=Hyundai-VDO",
    "d8609be2 at 2026-10-02T19:01:04Z temperature_c=17 pressure_kpa=218.91 event=Toyota",
    "! time_invalid time at \"/time\" is \"@0.000000s\"",
    // edge
    "! payload_invalid no JSON",
    "truck42 odometer=9007199254740993",
    "! payload_invalid key \"speed\" stands twice",
    "truck42 driver=🚚 Łukasz",
    "! payload_invalid no JSON: a text has a bad escape or half a surrogate pair",
    "! payload_invalid empty payload",
    "! payload_invalid no JSON",
    "! payload_invalid no JSON: a byte order mark stands before it",
    "! payload_invalid no JSON: it is not UTF-8",
    "! payload_invalid no JSON that is allowed: deeper than 32 levels",
    "! id_invalid id is empty",
    "! field_invalid error_date: \"2024-02-30T00:00:00Z\" is no time",
    "! field_invalid error_date: 1700000000000 is no time",
    "truck42 speed_kmh=1 error_date=4070908800000000",
    "truck42 lat=0 lon=0 speed_kmh=0",
    "truck42 lat=-122.33 lon=47.6",
};

TEST(DevicePayloadsTest, EachIsReadOrRefusedWithAReason) {
  const auto folder = support::DataSet("device_payloads");
  if (!folder) GTEST_SKIP() << support::kNoData;
  std::map<std::string, Ecosystem> ecosystems;
  for (const auto& [name, sources] : Sources()) ecosystems.emplace(name, sources);
  std::ifstream file(*folder / "messages.jsonl");
  Reader reader;
  size_t count = 0;
  for (std::string line; std::getline(file, line); ++count) {
    const auto message = nlohmann::json::parse(line);
    const std::string payload = message.contains("payload") ? message["payload"].get<std::string>()
                                                            : FromHex(message["payload_hex"]);
    const auto ecosystem = ecosystems.find(message["eco"]);
    ASSERT_NE(ecosystem, ecosystems.end()) << line;
    const std::string read =
        reader.Read(ecosystem->second, message["topic"].get<std::string>(), payload);
    ASSERT_LT(count, std::size(kExpected)) << read;
    const std::string expected = kExpected[count];
    const bool is_refusal = expected.starts_with("! ");
    EXPECT_EQ(is_refusal ? read.substr(0, expected.size()) : read, expected)
        << "line " << count + 1;
  }
  EXPECT_EQ(count, std::size(kExpected));
}

}  // namespace
}  // namespace gemel::codec
