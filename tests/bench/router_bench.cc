// Matching a topic among 1,000 routes against matching it among 10.

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "gateway/route/router.h"

namespace gemel::route {
namespace {

using Steady = std::chrono::steady_clock;

Router MakeRouter(size_t routes) {
  std::vector<Template> templates;
  for (size_t i = 0; i < routes; ++i) {
    templates.push_back(std::move(
        Template::Parse(fmt::format("fleet{}/{{region}}/truck/{{id}}/telemetry", i)).value()));
  }
  return std::move(Router::Build(templates).value());
}

// Nanoseconds a match, over topics of all routes in turn.
double Measure(const Router& router, const std::vector<std::string>& topics) {
  constexpr size_t kMatches = 2'000'000;
  Match match;
  size_t found = 0;
  const auto start = Steady::now();
  for (size_t i = 0; i < kMatches; ++i)
    found += router.Find(topics[i % topics.size()], match) ? 1 : 0;
  const double ns = std::chrono::duration<double, std::nano>(Steady::now() - start).count();
  if (found != kMatches)
    fmt::print(stderr, "router_bench: only {} of {} matched\n", found, kMatches);
  return ns / static_cast<double>(kMatches);
}

std::vector<std::string> Topics(size_t routes) {
  std::vector<std::string> topics;
  for (size_t i = 0; i < 1'000; ++i) {
    topics.push_back(fmt::format("fleet{}/wa/truck/truck-{}/telemetry", i % routes, i));
  }
  return topics;
}

void Run() {
  const Router few = MakeRouter(10);
  const Router many = MakeRouter(1'000);
  std::vector<double> a, b, ratio;
  for (int round = 0; round < 9; ++round) {
    a.push_back(Measure(few, Topics(10)));
    b.push_back(Measure(many, Topics(1'000)));
    ratio.push_back(b.back() / a.back());
  }
  for (auto* values : {&a, &b, &ratio}) std::ranges::sort(*values);
  fmt::print("router routes_10_ns={:.0f} routes_1000_ns={:.0f} ratio={:.2f}\n", a[4], b[4],
             ratio[4]);
}

}  // namespace
}  // namespace gemel::route

int main() {
  gemel::route::Run();
  return 0;
}
