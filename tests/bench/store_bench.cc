// Snapshots of trucks and restoring them, against SQLite alone with the same rows and columns; how
// long a snapshot holds a shard; and the engine with journal and snapshots against the same
// without.

#include <sqlite3.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <latch>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "gateway/base/assert.h"
#include "gateway/base/clock.h"
#include "gateway/ingest/intake.h"
#include "gateway/store/snapshots.h"
#include "tests/bench/truck.h"
#include "tests/support/temp_dir.h"

namespace gemel {
namespace {

using Steady = std::chrono::steady_clock;

double Seconds(Steady::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

template <typename Work>
double SecondsOf(const Work& work) {
  const auto begin = Steady::now();
  work();
  return Seconds(Steady::now() - begin);
}

// A gateway without broker and HTTP.
class Site {
 public:
  enum class Kind : uint8_t { kJournaled, kMemoryOnly };
  Site(const std::string& plugin, const std::filesystem::path& folder, uint32_t shards, Kind kind)
      : compiled_(AddTruck(plugin, false, symbols_, world_)), gate_(sink_) {
    const route::Template topic = compiled_.route.telemetry;
    world_.routes.push_back(std::move(compiled_.route));
    shards_.emplace(world_, gate_, shards, kMailboxBytes);
    sequencer_.emplace(1, clock_, shards_->inboxes());
    std::vector<ingest::Plan> plans;
    plans.push_back(std::move(compiled_.plan));
    intake_.emplace(world_, std::move(plans), Required(route::Router::Build({&topic, 1})),
                    *sequencer_, nullptr, sink_, clock_,
                    ingest::IntakeOptions{.lag_max = 256 * 1'024 * 1'024});
    if (kind == Kind::kMemoryOnly) return;
    std::filesystem::create_directories(folder / "journal");
    store_ = Required(store::Store::Open(folder / "gemel.db", world_, *shards_));
    journal_ = Required(journal::Journal::Open({.folder = folder / "journal"}, {}));
  }
  ~Site() { shards_->DrainAndStop(); }

  store::Restored Restore() { return Required(store_->Restore(gate_)); }
  void Start() {
    shards_->Start(*sequencer_);
    if (journal_) {
      journal::Catalog catalog{
          .models = {{"truck", {}}}, .routes = {"bench"}, .symbols = &symbols_};
      for (const gemel_field& field : world_.models[0].model->fields())
        catalog.models[0].fields.emplace_back(field.name);
      sequencer_->Attach(*journal_, catalog, kNoTime);
    }
    gate_.Open(sequencer_->Now());
  }
  void Send(std::string_view topic, std::string_view payload) {
    intake_->Handle({.topic = topic, .payload = payload, .qos = 1});
  }
  void Await() {
    while (sequencer_->lag() > 0) sequencer_->WaitForRoom(std::chrono::milliseconds(1));
  }
  void MarkAllDirty() {
    for (uint32_t shard = 0; shard < shards_->size(); ++shard) {
      std::latch done(1);
      shards_->Ask(shard, [&](twin::Engine& engine) {
        engine.table(0).MarkAllDirty();
        done.count_down();
        return true;
      });
      done.wait();
    }
  }
  store::Store& store() { return *store_; }
  store::Store::Sources Sources() {
    return {.sequencer = *sequencer_,
            .journal = *journal_,
            .effects = [] { return std::vector<effects::OwnedEffect>(); },
            .on_slice = [this](auto held) { slices_us.push_back(Seconds(held) * 1e6); }};
  }
  uint64_t Save() { return Required(store_->Save(Sources())).twins; }

  std::vector<double> slices_us;  // one shard at a time is asked

 private:
  SystemClock clock_;
  Symbols symbols_;
  NullSink sink_;
  twin::World world_;
  ingest::CompiledRoute compiled_;
  effects::Gate gate_;
  std::optional<twin::ShardSet> shards_;
  std::optional<journal::Sequencer> sequencer_;
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<store::Store> store_;
  std::optional<ingest::Intake> intake_;
};

// What each truck reports, over and over, each time a second later. One text behind the other, as a
// socket's buffer holds them.
class Reports {
 public:
  explicit Reports(size_t twins) {
    std::mt19937_64 random(1);
    std::vector<size_t> order(twins);
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::shuffle(order, random);
    ends_.reserve(twins);
    for (const size_t twin : order) {
      texts_ += fmt::format("fleet/r{}/truck/truck-{}/telemetry", twin % 10, twin);
      const size_t topic = texts_.size();
      texts_ += PayloadOf(kFirstMs, 1, random);
      ends_.push_back({topic, texts_.size()});
    }
  }
  // Of the next `count` trucks.
  void Send(size_t count, Site& site) {
    for (; count > 0; --count, ++next_) {
      const size_t report = next_ % ends_.size();
      char* const topic = texts_.data() + (report == 0 ? 0 : ends_[report - 1].payload);
      char* const payload = texts_.data() + ends_[report].topic;
      const auto time_ms = kFirstMs + static_cast<int64_t>(next_ / ends_.size()) * 1'000;
      std::to_chars(payload + kTimeAt, payload + kTimeAt + 13, time_ms);
      site.Send({topic, payload}, {payload, texts_.data() + ends_[report].payload});
    }
  }

 private:
  static constexpr int64_t kFirstMs = 1'700'000'000'000;
  static constexpr size_t kTimeAt = 11;  // behind {"time_ms":
  struct End {
    size_t topic;
    size_t payload;
  };
  std::string texts_;
  std::vector<End> ends_;
  size_t next_ = 0;
};

// SQLite by itself.
class Plain {
 public:
  explicit Plain(const std::filesystem::path& path) {
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    GEMEL_ASSERT(sqlite3_open_v2(path.c_str(), &database_, kFlags, nullptr) == SQLITE_OK);
    Run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536");
  }
  ~Plain() {
    sqlite3_finalize(upsert_);
    sqlite3_close_v2(database_);
  }
  void Run(const std::string& sql) {
    GEMEL_ASSERT(sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  sqlite3_stmt* Prepare(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    GEMEL_ASSERT(sqlite3_prepare_v2(database_, sql.c_str(), -1, &statement, nullptr) == SQLITE_OK);
    return statement;
  }
  // Reads every column of every row, as whatever it is. Returns how many rows.
  size_t ReadAll() {
    sqlite3_stmt* const select = Prepare("SELECT * FROM truck");
    size_t rows = 0;
    int64_t sum = 0;
    for (; sqlite3_step(select) == SQLITE_ROW; ++rows) {
      for (int column = 0; column < sqlite3_column_count(select); ++column)
        sum += Fetch(select, column);
    }
    sqlite3_finalize(select);
    GEMEL_ASSERT(sum != 0);
    return rows;
  }
  // Makes the same table, and takes the rows of the other one into memory.
  void Take(Plain& from) {
    sqlite3_stmt* const schema = from.Prepare("SELECT sql FROM sqlite_schema WHERE name = 'truck'");
    GEMEL_ASSERT(sqlite3_step(schema) == SQLITE_ROW);
    Run(reinterpret_cast<const char*>(sqlite3_column_text(schema, 0)));
    sqlite3_finalize(schema);
    sqlite3_stmt* const select = from.Prepare("SELECT * FROM truck");
    const int columns = sqlite3_column_count(select);
    std::string names, marks, updates;
    for (int column = 0; column < columns; ++column) {
      const char* const name = sqlite3_column_name(select, column);
      const char* const comma = column == 0 ? "" : ", ";
      names += fmt::format("{}\"{}\"", comma, name);
      marks += fmt::format("{}?{}", comma, column + 1);
      if (column > 0)
        updates += fmt::format("{0}\"{1}\" = excluded.\"{1}\"", column == 1 ? "" : ", ", name);
    }
    while (sqlite3_step(select) == SQLITE_ROW) {
      std::vector<Value>& row = rows_.emplace_back(static_cast<size_t>(columns));
      for (int column = 0; column < columns; ++column) {
        Value& value = row[static_cast<size_t>(column)];
        value.type = sqlite3_column_type(select, column);
        value.integer = sqlite3_column_int64(select, column);
        value.real = sqlite3_column_double(select, column);
        const void* const bytes = sqlite3_column_blob(select, column);
        if (value.type == SQLITE_TEXT || value.type == SQLITE_BLOB)
          value.text.assign(static_cast<const char*>(bytes),
                            static_cast<size_t>(sqlite3_column_bytes(select, column)));
      }
    }
    sqlite3_finalize(select);
    upsert_ =
        Prepare(fmt::format("INSERT INTO truck ({}) VALUES ({}) ON CONFLICT(id) DO UPDATE SET {}",
                            names, marks, updates));
  }
  // One row of this many, in one transaction.
  void Upsert(size_t every) {
    Run("BEGIN IMMEDIATE");
    for (size_t row = 0; row < rows_.size(); row += every) {
      int parameter = 0;
      for (const Value& value : rows_[row]) Bind(++parameter, value);
      GEMEL_ASSERT(sqlite3_step(upsert_) == SQLITE_DONE);
      sqlite3_reset(upsert_);
    }
    Run("COMMIT");
  }

 private:
  struct Value {
    int type = SQLITE_NULL;
    int64_t integer = 0;
    double real = 0;
    std::string text;
  };
  static int64_t Fetch(sqlite3_stmt* row, int column) {
    switch (sqlite3_column_type(row, column)) {
      case SQLITE_INTEGER:
        return sqlite3_column_int64(row, column);
      case SQLITE_FLOAT:
        return static_cast<int64_t>(sqlite3_column_double(row, column));
      case SQLITE_NULL:
        return 0;
      default:
        return *static_cast<const char*>(sqlite3_column_blob(row, column)) +
               sqlite3_column_bytes(row, column);
    }
  }
  void Bind(int parameter, const Value& value) {
    switch (value.type) {
      case SQLITE_INTEGER:
        sqlite3_bind_int64(upsert_, parameter, value.integer);
        break;
      case SQLITE_FLOAT:
        sqlite3_bind_double(upsert_, parameter, value.real);
        break;
      case SQLITE_NULL:
        sqlite3_bind_null(upsert_, parameter);
        break;
      default:
        sqlite3_bind_text(upsert_, parameter, value.text.data(),
                          static_cast<int>(value.text.size()), SQLITE_STATIC);
    }
  }

  sqlite3* database_ = nullptr;
  sqlite3_stmt* upsert_ = nullptr;
  std::vector<std::vector<Value>> rows_;
};

// How long slices held a shard, in microseconds: a run's quantiles, then their medians.
struct Slices {
  std::vector<double> p50, p99, p999, max;
  void Add(std::vector<double> slices_us) {
    std::ranges::sort(slices_us);
    const auto at = [&](double share) {
      return slices_us[static_cast<size_t>(share * static_cast<double>(slices_us.size() - 1))];
    };
    p50.push_back(at(0.5));
    p99.push_back(at(0.99));
    p999.push_back(at(0.999));
    max.push_back(at(1));
  }
  void Print(std::string_view load) const {
    fmt::print("slice load={} p50_us={:.0f} p99_us={:.0f} p999_us={:.0f} max_us={:.0f} rounds={}\n",
               load, Median(p50), Median(p99), Median(p999), Median(max), p50.size());
    std::fflush(stdout);
  }
};

// Rows a second.
struct Rates {
  std::vector<double> ours, plain, ratio;
  void Add(size_t rows, double our_seconds, double plain_seconds) {
    ours.push_back(static_cast<double>(rows) / our_seconds);
    plain.push_back(static_cast<double>(rows) / plain_seconds);
    ratio.push_back(ours.back() / plain.back());
  }
  void Print(std::string_view what, size_t twins) const {
    fmt::print(
        "{} twins={} rows_per_second={:.0f} sqlite_per_second={:.0f} ratio={:.2f} rounds={}\n",
        what, twins, Median(ours), Median(plain), Median(ratio), ratio.size());
    std::fflush(stdout);
  }
};

void PrintSnapshots(const std::string& plugin, size_t twins, int rounds) {
  constexpr size_t kTenth = 10;
  Rates first, all, tenth;
  Slices slices;
  for (int round = 0; round < rounds; ++round) {
    const support::TempDir folder;
    Site site(plugin, folder.path(), 2, Site::Kind::kJournaled);
    site.Start();
    Reports reports(twins);
    reports.Send(twins, site);
    site.Await();
    const double first_save = SecondsOf([&] { GEMEL_ASSERT(site.Save() == twins); });
    Plain plain(folder / "plain.db");
    {
      Plain ours(folder / "gemel.db");
      plain.Take(ours);
    }
    first.Add(twins, first_save, SecondsOf([&] { plain.Upsert(1); }));
    for (int again = 0; again < 3; ++again) {
      site.MarkAllDirty();
      const double save = SecondsOf([&] { GEMEL_ASSERT(site.Save() == twins); });
      all.Add(twins, save, SecondsOf([&] { plain.Upsert(1); }));
      reports.Send(twins / kTenth, site);
      site.Await();
      const double part = SecondsOf([&] { GEMEL_ASSERT(site.Save() == twins / kTenth); });
      tenth.Add(twins / kTenth, part, SecondsOf([&] { plain.Upsert(kTenth); }));
    }
    slices.Add(site.slices_us);
  }
  first.Print("snapshot of=new", twins);
  all.Print("snapshot of=all", twins);
  tenth.Print("snapshot of=tenth", twins);
  slices.Print("none");
}

void PrintRestore(const std::string& plugin, size_t twins, int rounds) {
  const support::TempDir folder;
  {
    Site site(plugin, folder.path(), 2, Site::Kind::kJournaled);
    site.Start();
    Reports(twins).Send(twins, site);
    site.Await();
    site.Save();
    Required(site.store().Checkpoint());
  }
  Rates rates;
  for (int round = 0; round < rounds; ++round) {
    const double plain =
        SecondsOf([&] { GEMEL_ASSERT(Plain(folder / "gemel.db").ReadAll() == twins); });
    std::optional<Site> site;
    const double ours = SecondsOf([&] {
      site.emplace(plugin, folder.path(), 2, Site::Kind::kJournaled);
      GEMEL_ASSERT(site->Restore().twins == twins);
    });
    rates.Add(twins, ours, plain);
  }
  rates.Print("restore", twins);
}

// User and system time of the process.
double CpuSeconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct Rate {
  double messages_per_second = 0;
  double cpu_us = 0;  // a message
};

Rate MeasureEngine(const std::string& plugin, Site::Kind kind, size_t twins, Slices& slices) {
  constexpr std::chrono::seconds kFor{15};
  constexpr size_t kBatch = 4'096;
  const support::TempDir folder;
  Site site(plugin, folder.path(), 1, kind);
  site.Start();
  Reports reports(twins);
  reports.Send(twins, site);
  site.Await();
  std::optional<store::Snapshots> snapshots;
  if (kind == Site::Kind::kJournaled)
    snapshots.emplace(site.store(), site.Sources(), store::SnapshotOptions{});
  double sent = 0;
  const double cpu = CpuSeconds();
  const auto begin = Steady::now();
  for (; Steady::now() - begin < kFor; sent += kBatch) reports.Send(kBatch, site);
  site.Await();
  const Rate rate{sent / Seconds(Steady::now() - begin), (CpuSeconds() - cpu) / sent * 1e6};
  if (!snapshots) return rate;
  snapshots->Stop();
  slices.Add(site.slices_us);
  return rate;
}

void PrintEngine(const std::string& plugin, size_t twins, int rounds) {
  std::vector<double> durable, memory, ratio, durable_cpu, memory_cpu, cpu_ratio;
  Slices slices;
  for (int round = 0; round < rounds; ++round) {
    const Rate without = MeasureEngine(plugin, Site::Kind::kMemoryOnly, twins, slices);
    const Rate with = MeasureEngine(plugin, Site::Kind::kJournaled, twins, slices);
    memory.push_back(without.messages_per_second);
    durable.push_back(with.messages_per_second);
    ratio.push_back(durable.back() / memory.back());
    memory_cpu.push_back(without.cpu_us);
    durable_cpu.push_back(with.cpu_us);
    cpu_ratio.push_back(memory_cpu.back() / durable_cpu.back());
  }
  fmt::print(
      "engine twins={} durable_per_second={:.0f} memory_per_second={:.0f} ratio={:.2f} "
      "durable_cpu_us={:.2f} memory_cpu_us={:.2f} cpu_ratio={:.2f} rounds={}\n",
      twins, Median(durable), Median(memory), Median(ratio), Median(durable_cpu),
      Median(memory_cpu), Median(cpu_ratio), rounds);
  slices.Print("full");
}

}  // namespace
}  // namespace gemel

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: store_bench TRUCK_PLUGIN [ROUNDS [snapshot|restore|engine]]\n");
    return 2;
  }
  const std::string plugin = argv[1];
  const int rounds = argc > 2 ? std::stoi(argv[2]) : 3;
  const std::string part = argc > 3 ? argv[3] : "";
  if (part.empty() || part == "snapshot") gemel::PrintSnapshots(plugin, 100'000, rounds);
  if (part.empty() || part == "restore") gemel::PrintRestore(plugin, 1'000'000, rounds);
  if (part.empty() || part == "engine") gemel::PrintEngine(plugin, 100'000, rounds);
  return 0;
}
