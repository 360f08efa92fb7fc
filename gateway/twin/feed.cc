#include "gateway/twin/feed.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "gateway/sdk/model.hpp"

namespace gemel::twin {
namespace {

// How many fell silent lately and have not come back: a count for each of so many parts of the time
// that is looked at, so that a silence counts for that time, or a part of it more. No Sliding of
// the SDK: that takes nothing back.
class Recent {
 public:
  static constexpr const char* kLayout = "recent<16>/1";
  static constexpr int64_t kPanes = 16;

  void Add(Time now, Duration within) {
    Turn(now, within);
    ++counts_[Index(pane_)];
  }
  // One that is counted came back: the latest, as good as any.
  void Remove(Time now, Duration within) {
    Turn(now, within);
    for (int64_t back = 0; back <= kPanes; ++back) {
      int64_t& count = counts_[Index(pane_ + kPanes + 1 - back)];
      if (count == 0) continue;
      --count;
      return;
    }
  }
  int64_t Count(Time now, Duration within) {
    Turn(now, within);
    int64_t count = 0;
    for (const int64_t in_pane : counts_) count += in_pane;
    return count;
  }
  void Clear() { counts_ = {}; }

 private:
  static size_t Index(int64_t pane) { return static_cast<size_t>(pane % (kPanes + 1)); }
  void Turn(Time now, Duration within) {
    const int64_t width_us = std::max<int64_t>(within.count() / kPanes, 1);
    if (width_us != width_us_) *this = {};  // of another configuration
    width_us_ = width_us;
    const int64_t pane = std::max<int64_t>(now.time_since_epoch().count() / width_us, 0);
    const int64_t passed = std::clamp<int64_t>(pane - pane_, 0, kPanes + 1);
    for (int64_t i = 1; i <= passed; ++i) counts_[Index(pane_ + i)] = 0;
    pane_ = std::max(pane, pane_);
  }

  int64_t width_us_ = 0;
  int64_t pane_ = 0;
  std::array<int64_t, kPanes + 1> counts_{};
};

class Feed {
 public:
  struct State {
    int64_t reporting = 0;
    bool is_silent = false;
    int64_t silent = 0;
    Time silent_since = kNoTime;
    Time cleared_at = kNoTime;
    Recent recent;
  };
  static constexpr const char* kName = kFeedModel;
  static constexpr const char* kMeaning = "What brings the messages of a route.";
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        computed(&State::reporting, "reporting", "", "Members that are not silent."),
        computed(&State::is_silent, "is_silent", "",
                 "So many fell silent at once that it is the feed."),
        computed(&State::silent, "silent", "", "Members whose silence is the feed's."),
        computed(&State::silent_since, "silent_since", "", "When that was found."),
        computed(&State::cleared_at, "cleared_at", "", "When it was found to be over."),
        window(&State::recent, "recent", "Members that fell silent lately."),
    };
    return kFields;
  }

  explicit Feed(const Setup&) {}  // what the table of a plug-in would make: it watches nothing
  explicit Feed(const std::map<std::string, FeedWatch>& watches)
      : watches_(watches.begin(), watches.end()) {}

  void on_telemetry(State&, const Message&, Context&) const {}

  void on_message(State& state, const TwinMessage& message, Context& context) const {
    const auto watch = watches_.find(context.id());
    if (watch == watches_.end()) return;  // of a route that is watched no more
    if (message.name() == kMemberReports) {
      Report(state, watch->second, message, context);
    } else if (message.name() == kMemberIsSilent) {
      FallSilent(state, watch->second, context);
    } else if (message.name() == kMemberIsGone) {
      Leave(state, watch->second, message.find<bool>(kWasSilent).value_or(false), context);
    } else if (message.name() == kMemberAsks && !IsFeeds(state, watch->second, context.now())) {
      context.send(message.from_model(), message.from_id(), kSilenceIsOwn);
    }
  }

 private:
  // Whether who is silent now waits for the feed, or for its members to come back after it.
  static bool IsFeeds(const State& state, const FeedWatch& watch, Time now) {
    if (state.is_silent) return true;
    return state.cleared_at != kNoTime && now < state.cleared_at + watch.offline_after;
  }

  static void Report(State& state, const FeedWatch& watch, const TwinMessage& message,
                     Context& context) {
    ++state.reporting;
    const auto since_us = message.find<int64_t>(kSinceUs);
    if (!since_us) return LookWhetherOver(state, watch, context);
    if (!IsFeeds(state, watch, context.now())) {
      context.send(message.from_model(), message.from_id(), kSilenceIsOwn, {{kSinceUs, *since_us}});
    }
    if (state.is_silent) {
      state.silent = std::max<int64_t>(0, state.silent - 1);
    } else {
      state.recent.Remove(context.now(), watch.within);
    }
    LookWhetherOver(state, watch, context);
  }

  static void Leave(State& state, const FeedWatch& watch, bool was_silent, Context& context) {
    int64_t& left = was_silent ? state.silent : state.reporting;
    left = std::max<int64_t>(0, left - 1);
    LookWhetherOver(state, watch, context);
  }

  static void LookWhetherOver(State& state, const FeedWatch& watch, Context& context) {
    if (!state.is_silent) return;
    const double all = static_cast<double>(state.reporting + state.silent);
    if (static_cast<double>(state.silent) > watch.share * all) return;
    state.is_silent = false;
    state.silent = 0;
    state.cleared_at = context.now();
    state.recent.Clear();
    context.clear(kFeedSilentCode);
  }

  static void FallSilent(State& state, const FeedWatch& watch, Context& context) {
    state.reporting = std::max<int64_t>(0, state.reporting - 1);
    const Time now = context.now();
    state.recent.Add(now, watch.within);
    if (state.is_silent) {
      ++state.silent;
      return;
    }
    const int64_t silent = state.recent.Count(now, watch.within);
    const int64_t all = state.reporting + silent;
    if (silent < watch.members_min ||
        static_cast<double>(silent) <= watch.share * static_cast<double>(all)) {
      return;
    }
    state.is_silent = true;
    state.silent = silent;
    state.silent_since = now;
    context.raise(Severity::kMajor, kFeedSilentCode, "The feed of this route is silent",
                  {{"silent", silent}, {"reported", all}, {"within_s", ToSeconds(watch.within)}});
  }

  std::map<std::string, FeedWatch, std::less<>> watches_;
};

}  // namespace

model::Interpreted MakeFeedModel(const std::map<std::string, FeedWatch>& watches) {
  model::Interpreted made;
  made.table = *ModelTable<Feed>();
  made.default_state.resize(sizeof(Feed::State));
  new (made.default_state.data()) Feed::State{};
  made.create = [watches](const gemel_setup&) -> void* { return new Feed(watches); };
  return made;
}

}  // namespace gemel::twin
