#include "gateway/cli/verbs.h"

#include "gateway/cli/alerts.h"
#include "gateway/cli/check.h"
#include "gateway/cli/diff.h"
#include "gateway/cli/export.h"
#include "gateway/cli/get.h"
#include "gateway/cli/import.h"
#include "gateway/cli/list.h"
#include "gateway/cli/models.h"
#include "gateway/cli/record.h"
#include "gateway/cli/repair.h"
#include "gateway/cli/replay.h"
#include "gateway/cli/run.h"
#include "gateway/cli/send.h"
#include "gateway/cli/set.h"
#include "gateway/cli/simulate.h"
#include "gateway/cli/verify.h"
#include "gateway/cli/why.h"

namespace gemel::cli {

std::span<const Verb> Verbs() {
  static constexpr Verb kVerbs[] = {
      {"run", "runs the gateway in the foreground", RunMain},
      {"check", "says whether a configuration would be accepted", CheckMain},
      {"models", "lists the models of a running gateway", ModelsMain},
      {"list", "lists the twins of a model", ListMain},
      {"get", "shows one twin", GetMain},
      {"alerts", "lists and acknowledges alerts", AlertsMain},
      {"set", "sets what is known of a device beside what it says", SetMain},
      {"send", "sends a command to the device of a twin", SendMain},
      {"record", "records what a gateway takes in", RecordMain},
      {"replay", "publishes recorded data to a broker, or folds it again without one", ReplayMain},
      {"diff", "says whether two replays came to the same", DiffMain},
      {"why", "tells what led to an alert", WhyMain},
      {"export", "prints all that the twins are", ExportMain},
      {"import", "takes twins from a file into a stopped gateway", ImportMain},
      {"verify", "checks the snapshot and the journal", VerifyMain},
      {"repair", "makes a damaged journal or snapshot one that opens again", RepairMain},
      {"simulate", "runs simulated devices against a broker", SimulateMain},
  };
  return kVerbs;
}

}  // namespace gemel::cli
