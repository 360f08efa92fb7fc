#include "gateway/model/profile.h"

#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/sdk/fields.hpp"
#include "tests/support/temp_dir.h"

namespace gemel::model {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;

struct Truck {
  Last<double> speed;
  double limit = 80;
  int64_t axles = 2;
  bool is_cooled = true;
  Symbol driver;
  Text<8> plate{"none"};
  Time service = Time{1s};
  double worked_out = 5;
};

const Fields<Truck> kFields = {
    telemetry(&Truck::speed, "speed", "", "How fast."),
    profile(&Truck::limit, "limit", "", "At most."),
    profile(&Truck::axles, "axles", "", "How many."),
    profile(&Truck::is_cooled, "is_cooled", "", "Whether."),
    profile(&Truck::driver, "driver", "", "Who."),
    profile(&Truck::plate, "plate", "", "What it says."),
    profile(&Truck::service, "service", "", "When."),
    computed(&Truck::worked_out, "worked_out", "", "What comes of it."),
};

class ProfileTest : public testing::Test {
 protected:
  Result<Profile> Load(const std::string& text) {
    std::ofstream(folder_ / "p", std::ios::binary) << text;
    return Profile::Load(folder_ / "p", {kFields.data(), kFields.size()}, symbols_);
  }
  Profile MustLoad(const std::string& text) {
    auto profile = Load(text);
    EXPECT_TRUE(profile.ok()) << profile.status().message();
    return std::move(*profile);
  }
  std::string Failure(const std::string& text) {
    const auto profile = Load(text);
    return profile.ok() ? "loaded" : profile.status().message();
  }
  static Truck Applied(const Profile& profile, std::string_view id) {
    Truck truck;
    profile.Apply(id, reinterpret_cast<std::byte*>(&truck));
    return truck;
  }

  support::TempDir folder_;
  Symbols symbols_;
};

TEST_F(ProfileTest, ARowFillsTheFieldsOfItsTwin) {
  const Profile profile = MustLoad(
      "driver,id,limit,axles,is_cooled,plate,service\n"
      "Ann,7,90.5,5,false,\"B,1\",2024-03-01T10:00:00Z\n"
      "Bob,8,70,3,1,Z,1500\n");
  EXPECT_EQ(profile.size(), 2u);
  const Truck truck = Applied(profile, "7");
  EXPECT_EQ(truck.limit, 90.5);
  EXPECT_EQ(truck.axles, 5);
  EXPECT_FALSE(truck.is_cooled);
  EXPECT_EQ(symbols_.TextOf(truck.driver), "Ann");
  EXPECT_EQ(truck.plate.view(), "B,1");
  EXPECT_EQ(truck.service, Time{std::chrono::sys_days{std::chrono::year{2024} / 3 / 1}} + 10h);
  EXPECT_EQ(truck.worked_out, 5);
  EXPECT_FALSE(truck.speed.has_value());
  EXPECT_EQ(Applied(profile, "8").service, Time{1500ms});
  EXPECT_TRUE(Applied(profile, "8").is_cooled);
}

TEST_F(ProfileTest, EmptyCellsAndUnknownTwinsKeepTheDefaults) {
  const Profile profile = MustLoad("id,limit,axles,is_cooled,driver,plate,service\n7,,,,,,\n");
  for (const char* id : {"7", "8", ""}) {
    const Truck truck = Applied(profile, id);
    EXPECT_EQ(truck.limit, 80);
    EXPECT_EQ(truck.axles, 2);
    EXPECT_TRUE(truck.is_cooled);
    EXPECT_FALSE(truck.driver.has_value());
    EXPECT_EQ(truck.plate.view(), "none");
    EXPECT_EQ(truck.service, Time{1s});
  }
}

TEST_F(ProfileTest, BlanksAroundACellDoNotCount) {
  const Profile profile = MustLoad("id,driver,plate,limit\n7, Ann\t, Z , 70\n8,Ann,Z,70\n");
  EXPECT_EQ(symbols_.TextOf(Applied(profile, "7").driver), "Ann");
  EXPECT_EQ(Applied(profile, "7").driver, Applied(profile, "8").driver);
  EXPECT_EQ(Applied(profile, "7").plate.view(), "Z");
}

TEST_F(ProfileTest, JsonLinesServeAsWell) {
  const Profile profile = MustLoad(
      "{\"id\":\"7\",\"limit\":90.5}\n{\"id\":8,\"driver\":\"Ann\",\"limit\":null,\"is_cooled\":"
      "false}\n");
  EXPECT_EQ(Applied(profile, "7").limit, 90.5);
  EXPECT_TRUE(Applied(profile, "7").is_cooled);
  EXPECT_EQ(Applied(profile, "8").limit, 80);
  EXPECT_FALSE(Applied(profile, "8").is_cooled);
  EXPECT_EQ(symbols_.TextOf(Applied(profile, "8").driver), "Ann");
}

TEST_F(ProfileTest, AnEmptyProfileIsOne) { EXPECT_EQ(MustLoad("id,limit\n").size(), 0u); }

TEST_F(ProfileTest, ColumnsMustBeFieldsOfTheProfile) {
  const std::string allowed =
      " is no profile field of the model; allowed: id, limit, axles, is_cooled, driver, plate, "
      "service";
  EXPECT_THAT(Failure("id,limt\n"), EndsWith("p:1: column \"limt\"" + allowed));
  EXPECT_THAT(Failure("id,speed\n7,1\n"), EndsWith("p:1: column \"speed\"" + allowed));
  EXPECT_THAT(Failure("{\"id\":7}\n{\"id\":8,\"worked_out\":1}\n"),
              EndsWith("p:2: column \"worked_out\"" + allowed));
  EXPECT_THAT(Failure("limit\n1\n"), EndsWith("p:1: there is no column \"id\""));
  EXPECT_THAT(Failure("{\"limit\":1}\n"), EndsWith("p:1: there is no column \"id\""));
}

TEST_F(ProfileTest, ValuesMustFitTheirFields) {
  EXPECT_THAT(Failure("id,limit\n7,1\n8,fast\n"),
              EndsWith("p:3: column limit: \"fast\" is no number"));
  EXPECT_THAT(Failure("id,limit\n7,1e999\n"), HasSubstr("p:2: column limit: "));
  EXPECT_THAT(Failure("id,axles\n7,1.5\n"), HasSubstr("column axles: \"1.5\" is no integer"));
  EXPECT_THAT(Failure("id,is_cooled\n7,yes\n"),
              EndsWith("\"yes\" is no boolean; allowed are true, false, 0 and 1"));
  EXPECT_THAT(Failure("id,plate\n7,123456789\n"), EndsWith("has 9 bytes; at most 8 are allowed"));
  EXPECT_THAT(Failure("id,service\n7,soon\n"), HasSubstr("column service: \"soon\" is no time"));
  EXPECT_THAT(Failure("id,driver\n7," + std::string(129, 'x') + "\n"), HasSubstr("at most 128"));
}

TEST_F(ProfileTest, IdsMustBeAllowedAndUnique) {
  EXPECT_THAT(Failure("id,limit\n7,1\na/b,1\n"), HasSubstr("p:3: id \"a/b\" has '/'"));
  EXPECT_THAT(Failure("id,limit\n,1\n"), EndsWith("p:2: id is empty"));
  EXPECT_THAT(Failure("{\"id\":7}\n{\"limit\":5}\n"), EndsWith("p:2: id is empty"));
  EXPECT_THAT(Failure("id,limit\n7,1\n8,1\n7,2\n"), EndsWith("p:4: id \"7\" stands twice"));
}

TEST_F(ProfileTest, AFullSymbolTableIsSaid) {
  Symbols few(2);
  std::ofstream(folder_ / "p") << "id,driver\n1,a\n2,b\n3,c\n";
  const auto profile = Profile::Load(folder_ / "p", {kFields.data(), kFields.size()}, few);
  EXPECT_THAT(profile.status().message(), HasSubstr("p:4: column driver: \"c\" is a new text"));
}

TEST_F(ProfileTest, AMissingFileIsNotFound) {
  EXPECT_EQ(Profile::Load(folder_ / "none", {}, symbols_).status().code(), Code::kNotFound);
}

TEST_F(ProfileTest, ManyRowsAreFoundAgain) {
  std::string text = "id,axles,plate\n";
  for (int i = 0; i < 50'000; ++i)
    text += std::to_string(i) + ',' + std::to_string(i * 3) + ",p" + std::to_string(i) + '\n';
  const Profile profile = MustLoad(text);
  EXPECT_EQ(profile.size(), 50'000u);
  for (int i = 0; i < 50'000; i += 777) {
    EXPECT_EQ(Applied(profile, std::to_string(i)).axles, i * 3);
    EXPECT_EQ(Applied(profile, std::to_string(i)).plate.view(), "p" + std::to_string(i));
  }
  EXPECT_EQ(Applied(profile, "50000").axles, 2);
}

}  // namespace
}  // namespace gemel::model
