#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "gateway/model/model.h"
#include "gateway/sdk/types.hpp"

namespace gemel::twin {

// The model of system twins that watch a route's feed: is it one device that has fallen silent, or
// what brings all of their messages? A feed's members, the twins that were heard on its route, tell
// it when they begin to report and when they fall silent, and ask it before they say so to people.
inline constexpr const char* kFeedModel = "feed";
// The alert of a feed, and what it and its members say to each other.
inline constexpr const char* kFeedSilentCode = "feed_silent";
inline constexpr const char* kMemberReports =
    "reports";  // since_us: from a silence that it kept back
inline constexpr const char* kMemberIsSilent = "is_silent";  // it reported before
inline constexpr const char* kMemberIsGone = "is_gone";      // deleted; was_silent: it was silent
inline constexpr const char* kMemberAsks = "asks";
// And not the feed's: tell people. since_us: of one that is over.
inline constexpr const char* kSilenceIsOwn = "silence_is_own";
inline constexpr const char* kSinceUs = "since_us";
inline constexpr const char* kWasSilent = "was_silent";

struct FeedWatch {
  double share = 0.5;        // of the members that reported, which is a silence of the feed
  Duration within{0};        // they fall silent in such a time
  int64_t members_min = 10;  // fewer are never one
  // Of the route. As long does a member wait before it asks, in which a feed that is silent is
  // found to be, and as long do members have to come back with it.
  Duration offline_after{0};
  bool operator==(const FeedWatch&) const = default;
};

// By the route's name, which is the feed's id.
model::Interpreted MakeFeedModel(const std::map<std::string, FeedWatch>& watches);

}  // namespace gemel::twin
