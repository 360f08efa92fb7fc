#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/broker.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace gemel::scenario {

// A response as a scenario needs it. Status 0: no answer.
struct HttpAnswer {
  int status = 0;
  std::string body;
  nlohmann::json Json() const { return nlohmann::json::parse(body); }
};
// GET over a connection of its own.
HttpAnswer HttpGet(uint16_t port, const std::string& path);

// Where the build has put the program and the plug-ins.
std::string GemelProgram();
std::string PluginPath(std::string_view name);

// The real `gemel run` beside a real broker, with a journal of its own that outlives restarts.
class GatewayProcess {
 public:
  // `configuration` lacks what the fixture knows: broker (unless it names another way there),
  // folders and port.
  GatewayProcess(const support::Broker& broker, nlohmann::json configuration);

  // Returns when it is ready; false, with errors(), if it ended before. `environment` is beside
  // what the test has.
  bool Start(std::vector<std::string> environment = {});
  // Returns when HTTP answers and the twins are there, whatever the broker does.
  bool StartAlone();
  // SIGTERM; its exit code, or nothing if it does not end.
  std::optional<int> Stop();
  void Kill();
  // True once it has ended by itself; false if it still runs when time is up.
  bool AwaitEnd(std::chrono::milliseconds patience) { return process_->Wait(patience).has_value(); }

  uint16_t http_port() const { return http_port_; }
  HttpAnswer Get(const std::string& path) const { return HttpGet(http_port_, path); }
  // Value of a metric: Metric("gemel_messages_applied_total{model=\"echo\"}"); 0 if it is not
  // there.
  double Metric(std::string_view name) const;
  // Waits until the metric is at least `value`.
  bool AwaitMetric(std::string_view name, double value) const;
  bool AwaitReceiving() const;
  // Waits until all that came is applied and all that was decided is acknowledged.
  bool AwaitQuiet() const;
  // Waits until a GET is answered with this status.
  bool AwaitHttp(const std::string& path, int status, std::chrono::milliseconds patience) const;
  std::string errors() const { return process_ ? process_->errors() : ""; }
  std::string ready_line() const { return ready_line_; }
  const support::TempDir& folder() const { return folder_; }
  bool is_running() { return process_ && process_->is_running(); }
  pid_t pid() const { return process_->pid(); }

 private:
  void Launch(std::vector<std::string> environment);
  // Reads the port of HTTP out of a line that names it.
  bool TakePort(std::string_view line);

  support::TempDir folder_;
  std::unique_ptr<support::Process> process_;
  std::string ready_line_;
  uint16_t http_port_ = 0;
};

// A configuration with the echo model on scenario/{region}/{id}/in, answering on …/out.
nlohmann::json EchoConfiguration();

}  // namespace gemel::scenario
