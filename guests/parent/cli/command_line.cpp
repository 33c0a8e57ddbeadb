// cofferdam-cli (nitro-cli): what is common to all commands, and the errors of the command line itself.
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <memory>

#include "guests/parent/cli/commands.hpp"
#include "guests/parent/cli/failure.hpp"

namespace enclave_cli {
namespace {

constexpr const char* kVersion = "1.0";

int refuse(const Failure& failure, const EventLog& log) {
  const std::string text = text_of(failure);
  std::cerr << text << "`explain --error-code " << name_of(failure.code()) << "` says more; the log is " << log.path() << '\n';
  log.write(Level::kError, text);
  return failure.code() == ErrorCode::kUnspecified ? 1 : static_cast<int>(failure.code());
}

Failure of_command_line(const CLI::ParseError& error) {
  const std::string what = std::string(error.what()) + '.';
  const std::string mend = "--help behind the command lists its options.";
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr || dynamic_cast<const CLI::RequiresError*>(&error) != nullptr) {
    return {ErrorCode::kMissingArgument, what, mend};
  }
  if (dynamic_cast<const CLI::ExcludesError*>(&error) != nullptr) return {ErrorCode::kConflictingArgument, what, mend};
  return {ErrorCode::kInvalidArgument, what, mend};
}

}  // namespace

void add_explain_command(CLI::App& application, Run& run) {
  CLI::App* explain = application.add_subcommand("explain", "Say what an error code means and what to do");
  const auto name = std::make_shared<std::string>();
  explain->add_option("--error-code", *name, "The code, such as E26")->required();
  explain->callback([&run, name] {
    run = [name] {
      const std::optional<ErrorCode> code = code_named(*name);
      if (!code) throw Failure(ErrorCode::kInvalidArgument, "There is no error code " + *name + ".", "They go from E00 to E60.");
      std::cerr << '[' << ' ' << name_of(*code) << " ] " << title_of(*code) << ". " << explanation_of(*code) << '\n';
      return 0;
    };
  });
}

int run_command_line(int argc, const char* const* argv, Environment& environment) {
  std::signal(SIGPIPE, SIG_IGN);  // NOLINT: a closed pipe is an error of the write
  CLI::App application("Enclaves from the parent: the verbs, options and JSON of nitro-cli, and allocate.", "cofferdam-cli");
  application.set_version_flag("--version,-V", std::string("cofferdam-cli ") + kVersion);
  application.set_help_all_flag("--help-all", "Print the help of every command");
  application.require_subcommand(1);
  application.fallthrough();
  application.footer("Exit status: 0, or the number of the error code: 26 for E26. JSON goes to standard output, words to standard error.\n"
                     "NITRO_CLI_SOCKETS_PATH: folder of the enclave processes' sockets (/run/nitro_enclaves);\n"
                     "NITRO_CLI_LOGS_PATH: folder of the log nitro_enclaves.log (/var/log/nitro_enclaves).");
  application.add_option("--run-dir", environment.places.run_folder, "Folder of the enclave processes' sockets")->type_name("FOLDER");
  Run run;
  add_run_command(application, environment, run);
  add_enclave_commands(application, environment, run);
  add_image_commands(application, run);
  add_allocate_command(application, environment, run);
  add_explain_command(application, run);
  const EventLog log(environment.places.log_folder, "nitro-cli:" + std::to_string(::getpid()));
  try {
    application.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return application.exit(error);  // --help, --version
    return refuse(of_command_line(error), log);
  }
  try {
    const int status = run();
    std::cout.flush();
    if (std::cout.good()) return status;
    return refuse(Failure(ErrorCode::kFileOperation, "Standard output can't be written."), log);
  } catch (const Failure& failure) {
    return refuse(failure, log);
  } catch (const std::exception& error) {
    return refuse(Failure(ErrorCode::kUnspecified, std::string(error.what()) + '.'), log);
  }
}

}  // namespace enclave_cli
