#include "gateway/http/alerts.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <tuple>
#include <utility>
#include <vector>

#include "gateway/http/twins.h"

namespace gemel::http {
namespace {

struct Row {
  uint16_t model = 0;
  std::string twin;
  twin::Alert alert;

  size_t bytes() const {
    return sizeof(Row) + twin.size() + alert.message.size() + alert.properties.size();
  }
  // Worse and newer ones come first.
  bool operator<(const Row& other) const {
    const auto rank = [](const Row& row) {
      return std::tuple(row.alert.severity, -row.alert.first.time_since_epoch().count(),
                        row.alert.id.lsn, row.alert.id.ordinal);
    };
    return rank(*this) < rank(other);
  }
};

// The first rows of one shard, copied while it goes by: a heap whose top is the one to go.
class FirstAlerts {
 public:
  FirstAlerts(size_t rows_max, size_t bytes_max) : rows_max_(rows_max), bytes_max_(bytes_max) {}

  void Add(Row row) {
    bytes_ += row.bytes();
    rows_.push_back(std::move(row));
    std::ranges::push_heap(rows_, std::less<>());
    while (rows_.size() > rows_max_ || (bytes_ > bytes_max_ && rows_.size() > 1)) {
      std::ranges::pop_heap(rows_, std::less<>());
      bytes_ -= rows_.back().bytes();
      rows_.pop_back();
    }
  }
  std::vector<Row> Take() { return std::move(rows_); }

 private:
  size_t rows_max_;
  size_t bytes_max_;
  size_t bytes_ = 0;
  std::vector<Row> rows_;
};

}  // namespace

std::optional<effects::AlertStatus> ParseAlertStatus(std::string_view name) {
  using effects::AlertStatus;
  for (const AlertStatus status :
       {AlertStatus::kActiveUnacked, AlertStatus::kActiveAcked, AlertStatus::kClearedUnacked}) {
    if (effects::AlertStatusName(status) == name) return status;
  }
  return std::nullopt;
}

std::string ListAlerts(const Sources& sources, const AlertFilter& filter, size_t limit) {
  std::vector<FirstAlerts> found(sources.shards.size(),
                                 FirstAlerts(limit, kListStateBytesMax / sources.shards.size()));
  const auto models = static_cast<uint16_t>(sources.world.models.size());
  for (uint16_t model = 0; model < models; ++model) {
    if (filter.model && *filter.model != model) continue;
    sources.shards.Scan(model, [&](uint32_t shard, const twin::Engine&, const twin::Twin& twin) {
      if (twin.side() == nullptr) return;
      for (const auto* some : {&twin.side()->alerts, &twin.side()->cleared}) {
        for (const twin::Alert& alert : *some) {
          const bool is_wanted = (!filter.severity || *filter.severity == alert.severity) &&
                                 (!filter.status || *filter.status == alert.status());
          if (is_wanted) found[shard].Add({model, std::string(twin.id()), alert});
        }
      }
    });
  }
  std::vector<Row> rows;
  for (FirstAlerts& shard : found) std::ranges::move(shard.Take(), std::back_inserter(rows));
  std::ranges::sort(rows, std::less<>());
  if (rows.size() > limit)
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(limit), rows.end());

  std::string out = "[";
  std::string text;
  for (const Row& row : rows) {
    const Time time = std::max(row.alert.last, row.alert.cleared);
    effects::WriteAlert(
        twin::TextOf(row.alert, sources.world.models[row.model].model->name(), row.twin, time),
        text);
    out += out.size() == 1 ? "\n" : ",\n";
    out += text;
  }
  return out + "]\n";
}

}  // namespace gemel::http
