#include "base/version.h"
#include "cli/command.h"

namespace portolan::cli {
namespace {

struct Version {
  std::string version{program_version()};
};
BOOST_DESCRIBE_STRUCT(Version, (), (version))

Result<> run(Context& context, Version& version) {
  if (context.out.json) {
    context.out.object(version);
  } else {
    context.out.line("portolan " + version.version);
  }
  return {};
}

}  // namespace

void add_version(CLI::App& root, Context& context) {
  CLI::App& app = add_command(root, context, "version", "the version of this program", "portolan version --json");
  on_chosen(app, context, std::make_shared<Version>(), run);
}

}  // namespace portolan::cli
