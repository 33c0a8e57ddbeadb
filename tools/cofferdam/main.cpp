// cofferdam: verifies attestation documents; describes, builds and signs enclave images; encrypts what enclaves use; talks with
// a model in an enclave.
#include <algorithm>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/artifact/command_artifact.hpp"
#include "tools/chat/command_chat.hpp"
#include "tools/cofferdam/commands.hpp"
#include "tools/cofferdam/crypto.hpp"
#include "tools/cofferdam/eif_image.hpp"
#include "tools/cofferdam/image/command_eif_build.hpp"
#include "tools/command_line/command_line.hpp"

int main(int argc, char** argv) {
  command_line::Program application("Cofferdam's host tool: attestation documents, enclave images, encrypted artifacts, models in enclaves.",
                       "cofferdam");
  application.set_help_all_flag("--help-all", "Print the help of every command");
  application.footer("Exit codes: 0 accepted or done, 1 refused, 2 unreadable input or wrong usage.");
  application.require_subcommand(1);
  cofferdam::Run run;
  cofferdam::add_verify_command(application, run);
  command_line::Command eif = cofferdam::add_eif_commands(application, run);
  const std::span words(argv, static_cast<std::size_t>(argc));
  const auto dashes = std::find(words.begin(), words.end(), std::string_view{"--"});
  const std::vector<std::string> behind(dashes == words.end() ? dashes : dashes + 1, words.end());
  const command_line::Command build = cofferdam::add_eif_build_command(eif, run, behind);
  cofferdam::add_reference_values_command(application, run);
  artifact::add_artifact_commands(application, run);
  chat::add_chat_command(application, run);
  if (const auto ended = application.parse_or_explain(static_cast<int>(dashes - words.begin()), argv)) return *ended;
  if (!behind.empty() && !build.parsed()) {
    return command_line::explain({command_line::Mistake::kOther, "The following argument was not expected: --"});
  }
  try {
    const int code = run();
    std::cout.flush();
    if (std::cout.good()) return code;
    std::cerr << "error: can't write to standard output\n";
  } catch (const cofferdam::BadImage& error) {
    std::cerr << "refused: " << error.what() << '\n';
    return cofferdam::kRefused;
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
  }
  return cofferdam::kUnreadable;
}
