#include "tests/support/tail.h"

#include <algorithm>
#include <optional>

#include <gtest/gtest.h>

namespace gemel::support {
namespace {

using Clock = std::chrono::steady_clock;

// Marks a message among the debug lines, which tell us that the subscription stands.
constexpr std::string_view kMark = "> ";

std::vector<std::string> Command(std::string program, const Broker& broker) {
  return {std::move(program), "-h", "127.0.0.1", "-p", std::to_string(broker.port())};
}

std::vector<std::string> SubscribeCommand(const Broker& broker,
                                          const std::vector<std::string>& filters,
                                          const std::vector<std::string>& arguments) {
  // It does not flush its debug lines into a pipe.
  std::vector<std::string> command{"stdbuf", "-oL"};
  for (std::string& word : Command("mosquitto_sub", broker)) command.push_back(std::move(word));
  // The payload in hexadecimal and first, so that neither line ends nor blanks can confuse us.
  command.insert(command.end(), {"-d", "-q", "1", "-F", "> %q %r %x %t"});
  for (const std::string& filter : filters) command.insert(command.end(), {"-t", filter});
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

int Digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

std::string FromHexadecimal(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<char>(Digit(text[i]) * 16 + Digit(text[i + 1])));
  }
  return bytes;
}

std::optional<Seen> ParseLine(std::string_view line) {
  if (!line.starts_with(kMark) || line.size() < 7) return std::nullopt;
  const size_t payload_end = line.find(' ', 6);
  if (payload_end == std::string_view::npos) return std::nullopt;
  return Seen{.topic = std::string(line.substr(payload_end + 1)),
              .payload = FromHexadecimal(line.substr(6, payload_end - 6)),
              .qos = Digit(line[2]),
              .is_retained = line[4] == '1'};
}

}  // namespace

Tail::Tail(const Broker& broker, const std::vector<std::string>& filters,
           const std::vector<std::string>& arguments)
    : process_(SubscribeCommand(broker, filters, arguments)) {
  EXPECT_TRUE(process_.ReadLineWith("Subscribed (mid:")) << process_.errors();
}

bool Tail::WaitFor(const std::function<bool(const std::vector<Seen>&)>& is_enough,
                   std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  while (!is_enough(seen_)) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    const auto line = process_.ReadLine(std::max(left, std::chrono::milliseconds{0}));
    if (!line) return false;
    if (std::optional<Seen> message = ParseLine(*line)) seen_.push_back(std::move(*message));
  }
  return true;
}

bool Tail::WaitForCount(size_t count, std::chrono::milliseconds patience) {
  return WaitFor([count](const auto& seen) { return seen.size() >= count; }, patience);
}

std::vector<Seen> Tail::SeenOn(std::string_view topic) const {
  std::vector<Seen> found;
  std::copy_if(seen_.begin(), seen_.end(), std::back_inserter(found),
               [topic](const Seen& message) { return message.topic == topic; });
  return found;
}

Status Publish(const Broker& broker, std::string_view topic, std::string_view payload,
               PublishOptions options) {
  std::vector<std::string> command = Command("mosquitto_pub", broker);
  command.insert(command.end(), {"-q", std::to_string(options.qos), "-t", std::string(topic)});
  command.emplace_back(payload.empty() ? "-n" : "-s");
  if (options.is_retained) command.emplace_back("-r");
  Process publisher(std::move(command));
  publisher.Write(payload);
  publisher.CloseInput();
  const std::optional<int> exit = publisher.Wait();
  if (exit == 0) return Status::Ok();
  return Unavailable("mosquitto_pub: " + publisher.errors());
}

}  // namespace gemel::support
