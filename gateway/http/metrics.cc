#include "gateway/http/metrics.h"

#include <initializer_list>
#include <limits>
#include <string_view>
#include <utility>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "gateway/effects/payload.h"
#include "gateway/effects/webhook_outbox.h"

namespace gemel::http {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using twin::ModelStats;
using Labels = std::vector<ClientMetric::Label>;

// Upper bounds of gemel_stage_seconds: 250 ns, then doubling. Fixed, because those of the counters
// depend on the processor's clock.
constexpr double kFirstBucketSeconds = 250e-9;
constexpr size_t kStageBuckets = 24;

class Families {
 public:
  void Add(std::string name, std::string help, MetricType type) {
    families_.push_back({"gemel_" + std::move(name), std::move(help), type, {}});
  }
  // Of the family that was added last.
  void Value(Labels labels, double value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (families_.back().type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    families_.back().metric.push_back(std::move(metric));
  }
  void Histogram(Labels labels, ClientMetric::Histogram histogram) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.histogram = std::move(histogram);
    families_.back().metric.push_back(std::move(metric));
  }
  std::string Text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<MetricFamily> families_;
};

double Number(uint64_t count) { return static_cast<double>(count); }

// Adds one number of every shard's counters for a model up.
template <typename Read>
uint64_t Sum(const Sources& sources, size_t model, const Read& read) {
  uint64_t sum = 0;
  for (size_t i = 0; i < sources.shards.size(); ++i) {
    sum += read(sources.shards[i].engine().stats(model));
  }
  return sum;
}

void AddMessages(const Sources& sources, Families& out) {
  const auto& world = sources.world;
  IntakeCounts intake;
  if (sources.intake) {
    intake = sources.intake();
    out.Add("messages_received_total", "Messages that came by a route.", MetricType::Counter);
    for (size_t i = 0; i < world.routes.size() && i < intake.received.size(); ++i) {
      out.Value({{"route", world.routes[i].name}}, Number(intake.received[i]));
    }
  }
  out.Add("messages_refused_total", "Readings that were not applied, by what was wrong with them.",
          MetricType::Counter);
  for (size_t reason = 0; reason < kRefusals; ++reason) {
    uint64_t refused = intake.refused[reason];
    for (size_t i = 0; i < sources.shards.size(); ++i) {
      refused += sources.shards[i].engine().refused()[reason].value();
    }
    out.Value({{"reason", std::string(RefusalName(static_cast<Refusal>(reason)))}},
              Number(refused));
  }
}

// A counter of ModelStats, one line a model.
void AddByModel(const Sources& sources, std::string name, std::string help,
                Counter ModelStats::*counter, Families& out) {
  out.Add(std::move(name), std::move(help), MetricType::Counter);
  for (size_t model = 0; model < sources.world.models.size(); ++model) {
    out.Value({{"model", sources.world.models[model].model->name()}},
              Number(Sum(sources, model,
                         [&](const ModelStats& stats) { return (stats.*counter).value(); })));
  }
}

void AddCommands(const Sources& sources, Families& out) {
  out.Add("commands_total",
          "Commands to devices: decided, without a topic to go to, handed to the broker, "
          "acknowledged by it, too old to be sent; of models whose devices answer: sent again, "
          "successful, failed, expired or timed out without an answer, and answers to none.",
          MetricType::Counter);
  for (size_t model = 0; model < sources.world.models.size(); ++model) {
    const std::string& name = sources.world.models[model].model->name();
    const auto value = [&](std::string status, uint64_t count) {
      out.Value({{"model", name}, {"status", std::move(status)}}, Number(count));
    };
    value("queued", Sum(sources, model, [](const ModelStats& s) { return s.commands.value(); }));
    value("unroutable",
          Sum(sources, model, [](const ModelStats& s) { return s.commands_unroutable.value(); }));
    const bool is_answered = std::ranges::any_of(sources.world.routes, [&](const auto& route) {
      return route.model == model && route.is_answered;
    });
    if (is_answered) {
      using twin::CommandStatus;
      for (const auto status : {CommandStatus::kSuccessful, CommandStatus::kFailed,
                                CommandStatus::kExpired, CommandStatus::kTimeout}) {
        value(std::string(twin::CommandStatusName(status)),
              Sum(sources, model, [status](const ModelStats& s) {
                return s.commands_ended[static_cast<size_t>(status)].value();
              }));
      }
      value("repeated",
            Sum(sources, model, [](const ModelStats& s) { return s.commands_repeated.value(); }));
      value("stale_reply", Sum(sources, model, [](const ModelStats& s) {
              return s.command_replies_stale.value();
            }));
    }
    if (sources.sender == nullptr || model >= sources.sender->commands.size()) continue;
    const auto& commands = sources.sender->commands[model];
    value("sent", commands.sent.value());
    value("delivered", commands.delivered.value());
    // Where devices answer, one that is not sent expires like one that is not answered.
    if (!is_answered) value("expired", commands.expired.value());
  }
}

void AddAlerts(const Sources& sources, Families& out) {
  out.Add("alerts_active", "Alerts that are active now.", MetricType::Gauge);
  for (size_t model = 0; model < sources.world.models.size(); ++model) {
    for (uint32_t severity = GEMEL_CRITICAL; severity <= GEMEL_INFO; ++severity) {
      // Cleared first: read the other way round, an alert that comes and goes would count as -1.
      const uint64_t cleared = Sum(sources, model, [&](const ModelStats& stats) {
        return stats.alerts_cleared[severity].value();
      });
      const uint64_t raised = Sum(sources, model, [&](const ModelStats& stats) {
        return stats.alerts_raised[severity].value();
      });
      out.Value({{"model", sources.world.models[model].model->name()},
                 {"severity", std::string(effects::SeverityName(severity))}},
                raised > cleared ? Number(raised - cleared) : 0);
    }
  }
}

ClientMetric::Histogram Stage(const Sources& sources, TickHistogram ModelStats::*stage) {
  ClientMetric::Histogram histogram;
  double bound = kFirstBucketSeconds;
  for (size_t i = 0; i < kStageBuckets; ++i, bound *= 2) histogram.bucket.push_back({0, bound});
  histogram.bucket.push_back({0, std::numeric_limits<double>::infinity()});
  for (size_t shard = 0; shard < sources.shards.size(); ++shard) {
    for (size_t model = 0; model < sources.world.models.size(); ++model) {
      const TickHistogram& ticks = sources.shards[shard].engine().stats(model).*stage;
      histogram.sample_sum += ticks.sum_seconds();
      for (size_t from = 0, to = 0; from < TickHistogram::kBuckets; ++from) {
        while (histogram.bucket[to].upper_bound < TickHistogram::Seconds(from)) ++to;
        histogram.bucket[to].cumulative_count += ticks.bucket(from);
      }
    }
  }
  for (auto& bucket : histogram.bucket) {
    histogram.sample_count += bucket.cumulative_count;
    bucket.cumulative_count = histogram.sample_count;
  }
  return histogram;
}

void AddProcess(const Sources& sources, Families& out) {
  out.Add("twins", "Twins that exist.", MetricType::Gauge);
  for (size_t model = 0; model < sources.world.models.size(); ++model) {
    out.Value({{"model", sources.world.models[model].model->name()}},
              Number(sources.shards.twins(model)));
  }
  out.Add("mailbox_bytes", "Bytes of records that wait for a shard.", MetricType::Gauge);
  for (size_t i = 0; i < sources.shards.size(); ++i) {
    out.Value({{"shard", std::to_string(i)}}, Number(sources.shards[i].bytes_waiting()));
  }
  out.Add("outbox_effects", "Commands, alerts and dead letters that the broker has not got yet.",
          MetricType::Gauge);
  out.Value({}, Number(sources.outbox.effects()));
  out.Add("outbox_bytes", "The same in bytes.", MetricType::Gauge);
  out.Value({}, Number(sources.outbox.bytes()));
  out.Add("outbox_dropped_total", "Effects that were dropped because the outbox was full.",
          MetricType::Counter);
  out.Value({}, Number(sources.outbox.dropped()));
  out.Add("dead_letters_dropped_total", "Dead letters beyond their share of the outbox.",
          MetricType::Counter);
  out.Value({}, Number(sources.outbox.dead_letters_dropped()));
  if (sources.sender != nullptr) {
    out.Add("effects_refused_total", "Messages that the broker acknowledged with a failure.",
            MetricType::Counter);
    out.Value({}, Number(sources.sender->refused.value()));
    out.Add("effects_unsendable_total", "Messages that the broker can never take, so given up.",
            MetricType::Counter);
    out.Value({}, Number(sources.sender->unsendable.value()));
    out.Add("alert_notices_limited_total",
            "Notices of alerts that the broker did not get, because they were over a rate.",
            MetricType::Counter);
    out.Value({}, Number(sources.sender->notices_limited.value()));
  }
  if (sources.intake) {
    out.Add("symbols_refused_total", "Symbols beyond what the table holds, so read as null.",
            MetricType::Counter);
    out.Value({}, Number(sources.intake().symbols_refused));
    out.Add("profiles_received_total", "Messages that told of devices on a profile_topic.",
            MetricType::Counter);
    out.Value({}, Number(sources.intake().profiles));
  }
  out.Add("build_info", "1, with the version of the gateway.", MetricType::Gauge);
  out.Value({{"version", sources.version}}, 1);
}

// What webhooks have not got yet, and what became of the rest.
void AddWebhooks(const Sources& sources, Families& out) {
  const auto add = [&](std::string name, std::string help, MetricType type, const auto& read) {
    out.Add(std::move(name), std::move(help), type);
    for (const auto& outbox : sources.webhooks)
      out.Value({{"webhook", outbox->name()}}, Number(read(*outbox)));
  };
  using effects::EffectOutcome;
  using effects::WebhookOutbox;
  add("webhook_effects", "Alerts that wait for a webhook.", MetricType::Gauge,
      [](const WebhookOutbox& outbox) { return outbox.effects(); });
  add("webhook_bytes", "The same in bytes.", MetricType::Gauge,
      [](const WebhookOutbox& outbox) { return outbox.bytes(); });
  add("webhook_retries_total", "Attempts that failed and are repeated.", MetricType::Counter,
      [](const WebhookOutbox& outbox) { return outbox.retries(); });
  out.Add(
      "webhook_deliveries_total",
      "Alerts that have ended at a webhook: delivered, failed (it will never take them), expired "
      "(not delivered within retry_for), or dropped (its outbox was full).",
      MetricType::Counter);
  for (const auto& outbox : sources.webhooks) {
    for (const auto outcome : {EffectOutcome::kDelivered, EffectOutcome::kFailed,
                               EffectOutcome::kExpired, EffectOutcome::kDropped}) {
      out.Value(
          {{"webhook", outbox->name()}, {"outcome", std::string(effects::OutcomeName(outcome))}},
          Number(outbox->ended(outcome)));
    }
  }
}

void AddStorage(const StorageCounts& storage, Families& out) {
  const auto add = [&out](std::string name, std::string help, MetricType type, double value) {
    out.Add(std::move(name), std::move(help), type);
    out.Value({}, value);
  };
  add("journal_lag_bytes", "Bytes of records that were journaled and not applied yet.",
      MetricType::Gauge, Number(storage.lag_bytes));
  add("journal_bytes", "Bytes written to the journal since the start.", MetricType::Counter,
      Number(storage.journal_bytes));
  add("history_changes_total", "Changes of alerts that were written to the history.",
      MetricType::Counter, Number(storage.history_written));
  add("history_dropped_total", "Changes of alerts that are missing there: it could not be written.",
      MetricType::Counter, Number(storage.history_dropped));
  add("snapshots_total", "Snapshots taken.", MetricType::Counter, Number(storage.snapshots));
  add("snapshot_age_seconds", "Since the last snapshot that succeeded.", MetricType::Gauge,
      storage.snapshot_age_seconds);
  add("snapshot_seconds", "What the last snapshot took.", MetricType::Gauge,
      storage.snapshot_seconds);
  add("snapshot_twins_total", "Twins saved by snapshots.", MetricType::Counter,
      Number(storage.twins_saved));
  add("snapshot_failed", "1 if the last snapshot failed.", MetricType::Gauge,
      storage.has_failed ? 1 : 0);
}

}  // namespace

std::string MetricsText(const Sources& sources) {
  Families out;
  AddMessages(sources, out);
  AddByModel(sources, "messages_applied_total", "Readings that were applied to their twin.",
             &ModelStats::applied, out);
  AddByModel(sources, "messages_late_total",
             "Readings older than one already seen of the same twin and route.", &ModelStats::late,
             out);
  AddByModel(sources, "messages_repeated_total",
             "Readings that their twin had already, by message id or sequence.",
             &ModelStats::repeated, out);
  AddByModel(sources, "timers_fired_total", "Timers of twins that were due, and told to the model.",
             &ModelStats::timers_fired, out);
  AddByModel(sources, "profile_changes_total",
             "Words on devices' profiles, of people, topics and files, that were applied.",
             &ModelStats::profile_changes, out);
  AddByModel(sources, "twin_messages_total", "Messages of other twins that were applied.",
             &ModelStats::twin_messages, out);
  AddByModel(sources, "twin_messages_cut_total",
             "Messages to other twins that would have made too long a chain, and were dropped.",
             &ModelStats::twin_messages_cut, out);
  AddCommands(sources, out);
  AddAlerts(sources, out);
  AddByModel(sources, "alerts_dropped_total", "Alerts beyond what one twin can have.",
             &ModelStats::alerts_dropped, out);
  AddByModel(sources, "alerts_acknowledged_total", "Alerts that somebody has acknowledged.",
             &ModelStats::alerts_acknowledged, out);
  out.Add("stage_seconds", "Time that a reading takes in a stage of its shard.",
          MetricType::Histogram);
  out.Histogram({{"stage", "decode"}}, Stage(sources, &ModelStats::decode_ticks));
  out.Histogram({{"stage", "model"}}, Stage(sources, &ModelStats::model_ticks));
  if (sources.storage) AddStorage(sources.storage(), out);
  if (!sources.webhooks.empty()) AddWebhooks(sources, out);
  AddProcess(sources, out);
  return out.Text();
}

}  // namespace gemel::http
