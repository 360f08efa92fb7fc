#include "gateway/sdk/anomaly.hpp"

#include <stdexcept>
#include <string_view>

#include "gateway/sdk/model.hpp"

namespace {

using gemel::AnomalyDetector, gemel::AnomalyKind, gemel::Last, gemel::Severity;

constexpr std::string_view kCode = "anomaly";
constexpr const char* kKinds[] = {"none", "value", "sustained", "time_of_day", "sequence"};
constexpr const char* kMessages[] = {
    "", "A value beyond what was seen before", "A level held longer than ever before",
    "Unusual for this time of the day", "An unusual sequence of values"};

enum class Grade : uint8_t { kNone, kWarning, kMajor, kCritical };
constexpr const char* kGrades[] = {"none", "warning", "major", "critical"};
constexpr Severity kSeverities[] = {Severity::kInfo, Severity::kWarning, Severity::kMajor,
                                    Severity::kCritical};

class Anomaly {
 public:
  struct State {
    Last<double> value;
    double anomaly_score = gemel::kNoNumber;
    int64_t readings = 0;
    int64_t calm_readings = 0;
    AnomalyDetector detector;
    AnomalyKind anomaly_kind = AnomalyKind::kNone;
    Grade grade = Grade::kNone;
  };
  static constexpr const char* kName = "anomaly";
  static constexpr const char* kMeaning = "Watches one number of any device for what is unusual.";
  static const gemel::Fields<State>& fields() {
    using gemel::computed;
    static const gemel::Fields<State> kFields = {
        gemel::telemetry(&State::value, "value", "", "The number that is watched."),
        computed(&State::anomaly_score, "anomaly_score", "",
                 "Of the newest reading: 0 as before, 1 like nothing before."),
        computed(&State::anomaly_kind, "anomaly_kind", kKinds, "What makes the newest one odd."),
        computed(&State::grade, "grade", kGrades, "Of the alert while it is active."),
        computed(&State::readings, "readings", "", "Readings that were scored."),
        computed(&State::calm_readings, "calm_readings", "", "In a row, up to the newest."),
        gemel::window(&State::detector, "detector", "What the score remembers."),
    };
    return kFields;
  }

  explicit Anomaly(const gemel::Setup& setup)
      : alert_score_(setup.number("alert_score", 0.09)),
        major_score_(setup.number("major_score", 0.3)),
        critical_score_(setup.number("critical_score", 0.6)),
        learn_readings_(static_cast<int64_t>(setup.number("learn_readings", 500))),
        clear_after_readings_(static_cast<int64_t>(setup.number("clear_after_readings", 20))) {
    if (!(0 < alert_score_ && alert_score_ <= major_score_ && major_score_ <= critical_score_)) {
      throw std::invalid_argument(
          "alert_score, major_score, critical_score: each must be above 0 and not below the one "
          "before");
    }
  }

  void on_telemetry(State& state, const gemel::Message& message, gemel::Context& context) const {
    if (message.is_late() || !message.has(state.value)) return;
    state.anomaly_score = state.detector.Score(message.time(), state.value.value());
    state.anomaly_kind = state.detector.kind();
    ++state.readings;
    const bool is_calm = state.anomaly_score < alert_score_ || state.readings <= learn_readings_;
    state.calm_readings = is_calm ? state.calm_readings + 1 : 0;
    if (!is_calm) {
      Raise(state, context);
    } else if (state.grade != Grade::kNone && state.calm_readings >= clear_after_readings_) {
      state.grade = Grade::kNone;
      context.clear(kCode);
    }
  }

 private:
  // An anomaly that goes on or weakens is told already.
  void Raise(State& state, gemel::Context& context) const {
    const double score = state.anomaly_score;
    const Grade grade = score >= critical_score_ ? Grade::kCritical
                        : score >= major_score_  ? Grade::kMajor
                                                 : Grade::kWarning;
    if (grade <= state.grade) return;
    state.grade = grade;
    const auto kind = static_cast<size_t>(state.anomaly_kind);
    context.raise(kSeverities[static_cast<size_t>(grade)], kCode, kMessages[kind],
                  {{"value", state.value.value()},
                   {"anomaly_score", score},
                   {"anomaly_kind", std::string_view(kKinds[kind])}});
  }

  double alert_score_;
  double major_score_;
  double critical_score_;
  int64_t learn_readings_;
  int64_t clear_after_readings_;
};

}  // namespace

GEMEL_EXPORT_MODEL(Anomaly)
