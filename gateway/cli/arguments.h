#pragma once

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace gemel::cli {

// Reads the arguments of a verb. An exit code if there is nothing left to do: after --help, or
// after a mistake, which is then named on stderr.
std::optional<int> ReadArguments(CLI::App& app, int count, const char* const* arguments);

// Adds MODEL/ID, which is required: a twin's model and its id, with something on both sides.
void AddKeyArgument(CLI::App& app, std::string& key);

// One line on stderr, `gemel: …`, and the code back.
int Fail(int code, const char* what);

}  // namespace gemel::cli
