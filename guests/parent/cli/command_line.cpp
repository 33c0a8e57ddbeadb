// The command line: every verb with its options, and what is said when it is used wrongly.
#include <unistd.h>

#include <csignal>
#include <functional>
#include <iostream>
#include <memory>

#include "guests/parent/cli/allocation.hpp"
#include "guests/parent/cli/commands.hpp"
#include "guests/parent/cli/enclave_json.hpp"
#include "guests/parent/cli/event_log.hpp"
#include "guests/parent/cli/failure.hpp"
#include "tools/command_line/command_line.hpp"

namespace enclave_cli {
namespace {

constexpr const char* kVersion = "1.0";
using Run = std::function<int()>;  // set by the command that was chosen

int refuse(const Failure& failure, const EventLog& log) {
  const std::string text = text_of(failure);
  std::cerr << text << "`explain --error-code " << name_of(failure.code()) << "` says more; the log is " << log.path()
            << '\n';
  log.write(Level::kError, text);
  return failure.code() == ErrorCode::kUnspecified ? 1 : static_cast<int>(failure.code());
}

Failure of_command_line(const command_line::WrongUse& error) {
  const std::string what = std::string(error.what()) + '.';
  const std::string mend = "--help behind the command lists its options.";
  switch (error.mistake()) {
    case command_line::Mistake::kMissing: return {ErrorCode::kMissingArgument, what, mend};
    case command_line::Mistake::kConflict: return {ErrorCode::kConflictingArgument, what, mend};
    case command_line::Mistake::kOther: break;
  }
  return {ErrorCode::kInvalidArgument, what, mend};
}

struct RunOptions {
  std::string memory, config;
  std::uint32_t cpu_count{};
  double boot_timeout{};
  RunRequest request;
};

struct EnclaveOptions {
  std::string id, name;
  bool all{}, metadata{};
  std::uint64_t disconnect_timeout{};
};

void add_run_command(command_line::Command application, Environment& environment, Run& run) {
  const auto options = std::make_shared<RunOptions>();
  RunOptions& o = *options;
  command_line::Command command = application.add_subcommand("run-enclave", "Start an enclave and print what it is (JSON)");
  command.footer(
      "Give --eif-path, --memory and one of --cpu-count and --cpu-ids, or --config. The enclave runs on when the "
      "command ends;\n"
      "a command that is interrupted before that gives the start up.");
  auto count =
      command.add_option("--cpu-count", o.cpu_count, "Number of CPUs; the driver chooses them from the pool");
  auto ids =
      command.add_option("--cpu-ids", o.request.cpu_ids, "The CPUs, of the pool").several().delimiter(',');
  auto memory =
      command.add_option("--memory", o.memory, "Memory in MiB, or with a unit (512M, 2G); rounded up to hugepages");
  auto eif = command.add_option("--eif-path", o.request.eif_path, "The enclave image").type_name("FILE");
  auto cid =
      command.add_option("--enclave-cid", o.request.cid, "vsock CID of the enclave (default: the monitor chooses)");
  auto debug =
      command.add_flag("--debug-mode", o.request.debug, "With a console; measurements in documents are zero then");
  command.add_flag("--attach-console", o.request.attach_console,
                    "Show the console after the start; implies --debug-mode");
  auto name = command.add_option("--enclave-name", o.request.name, "Name (default: the image's file name)");
  auto config = command
                     .add_option("--config", o.config,
                                  "JSON with these settings: eif_path, memory_mib, cpu_count or cpu_ids,\n"
                                  "enclave_cid, debug_mode, attach_console, enclave_name")
                     .type_name("FILE");
  auto timeout = command
                      .add_option("--boot-timeout", o.boot_timeout,
                                   "Seconds to wait for the enclave's heartbeat (default: 90, more for large images)")
                      .within(0.1, 86'400.0);
  count.excludes(ids);
  for (command_line::Option other : {count, ids, memory, eif, cid, debug, name}) config.excludes(other);
  command.callback([=, &environment, &run] {
    if (config.count() == 0) {
      if (eif.count() == 0) throw command_line::WrongUse::missing("--eif-path");
      if (memory.count() == 0) throw command_line::WrongUse::missing("--memory");
      if (count.count() == 0 && ids.count() == 0) throw command_line::WrongUse::missing("--cpu-count or --cpu-ids");
    }
    run = [=, &environment] {
      RunRequest request = options->request;
      if (config.count() != 0) {
        std::vector<std::string> ignored;
        const bool attach = request.attach_console;
        request = request_from_config(options->config, ignored);
        if (attach) request.attach_console = request.debug = true;
        for (const std::string& key : ignored)
          std::cerr << "Warning: " << options->config << ": the key \"" << key << "\" is not known and ignored.\n";
      } else {
        request.memory_mib = memory_in_mib(options->memory);
        if (count.count() != 0) request.cpu_count = options->cpu_count;
        request.debug = request.debug || request.attach_console;
        if (cid.count() != 0 && request.cid == 0) std::cerr << "The enclave's CID is 0: the monitor chooses one.\n";
      }
      if (timeout.count() != 0)
        request.boot_timeout = Milliseconds(static_cast<std::int64_t>(options->boot_timeout * 1000));
      return run_enclave(environment, request);
    };
  });
}

void add_enclave_commands(command_line::Command application, Environment& environment, Run& run) {
  const auto options = std::make_shared<EnclaveOptions>();
  EnclaveOptions& o = *options;
  command_line::Command describe = application.add_subcommand("describe-enclaves", "List the running enclaves (JSON)");
  describe.add_flag("--metadata", o.metadata, "With what the image's builder wrote into it");
  describe.callback([=, &environment, &run] {
    run = [=, &environment] { return describe_enclaves(environment, options->metadata); };
  });

  command_line::Command terminate =
      application.add_subcommand("terminate-enclave", "End an enclave; its memory is scrubbed and comes back");
  auto id = terminate.add_option("--enclave-id", o.id, "Its ID, as describe-enclaves prints it");
  auto name = terminate.add_option("--enclave-name", o.name, "Its name");
  auto all = terminate.add_flag("--all", o.all, "All enclaves that you started; all, for root");
  id.excludes(name).excludes(all);
  name.excludes(all);
  terminate.callback([=, &environment, &run] {
    if (id.count() + name.count() + all.count() == 0)
      throw command_line::WrongUse::missing("--enclave-id, --enclave-name or --all");
    run = [=, &environment] {
      return options->all ? terminate_all_enclaves(environment)
                          : terminate_enclave(environment, options->id, options->name);
    };
  });

  command_line::Command console = application.add_subcommand("console", "Show the console of an enclave in debug mode");
  auto console_id = console.add_option("--enclave-id", o.id, "Its ID, as describe-enclaves prints it");
  auto console_name = console.add_option("--enclave-name", o.name, "Its name");
  auto timeout = console.add_option("--disconnect-timeout", o.disconnect_timeout, "Leave after so many seconds")
                      .within(0, 1'000'000'000);
  console_id.excludes(console_name);
  console.callback([=, &environment, &run] {
    if (console_id.count() + console_name.count() == 0) throw command_line::WrongUse::missing("--enclave-id or --enclave-name");
    run = [=, &environment] {
      std::optional<Milliseconds> allowed;
      if (timeout.count() != 0) allowed = std::chrono::seconds(options->disconnect_timeout);
      return show_console(environment, options->id, options->name, allowed);
    };
  });
}

void add_image_commands(command_line::Command application, Run& run) {
  struct Paths {
    std::string eif, certificate, key, input;
  };
  const auto paths = std::make_shared<Paths>();
  command_line::Command describe =
      application.add_subcommand("describe-eif", "Print what an enclave image is and measures to (JSON)");
  describe.add_option("--eif-path", paths->eif, "The image").type_name("FILE").required();
  describe.callback([=, &run] { run = [=] { return describe_image(paths->eif); }; });

  command_line::Command sign = application.add_subcommand(
      "sign-eif", "Sign an enclave image, or replace its signature, and print its measurements (JSON)");
  sign.footer("PCR0, PCR1 and PCR2 stay; PCR8 becomes the certificate's measurement.");
  sign.add_option("--eif-path", paths->eif, "The image; it is written again").type_name("FILE").required();
  sign.add_option("--signing-certificate", paths->certificate, "Certificate (PEM)").type_name("FILE").required();
  sign.add_option("--private-key", paths->key, "Its private key (PEM; P-256, P-384 or P-521)")
      .type_name("FILE")
      .required();
  sign.callback([=, &run] { run = [=] { return sign_image(paths->eif, paths->certificate, paths->key); }; });

  command_line::Command measure =
      application.add_subcommand("pcr", "Print what a file, or a signing certificate, measures to (JSON)");
  auto certificate =
      measure.add_option("--signing-certificate", paths->certificate, "Certificate (PEM): PCR8").type_name("FILE");
  auto input = measure.add_option("--input", paths->input, "Any file: the register that its bytes alone give")
                    .type_name("FILE");
  certificate.excludes(input);
  measure.callback([=, &run] {
    if (certificate.count() + input.count() == 0) throw command_line::WrongUse::missing("--signing-certificate or --input");
    run = [=] { return print_pcr(paths->input, paths->certificate); };
  });

  const auto options = std::make_shared<BuildOptions>();
  BuildOptions& b = *options;
  command_line::Command command =
      application.add_subcommand("build-enclave", "Build an enclave image and print its measurements (JSON)");
  command.footer(
      "The same inputs give the same bytes: the build time is SOURCE_DATE_EPOCH, or 1970 without it. There is no "
      "Docker here.\n"
      "NITRO_CLI_BLOBS: folder with the kernel (Image) and its command line (cmdline) for builds without --kernel and "
      "--cmdline.");
  cofferdam::ImageRecipe& r = b.recipe;
  auto uri =
      command.add_option("--docker-uri", b.docker_uri, "Refused, with what to do instead: there is no Docker here");
  command.add_option("--docker-dir", b.docker_dir, "As --docker-uri");
  command.add_option("--output-file", b.output, "The image to write").type_name("FILE").required();
  command.add_option("--kernel", r.kernel, "Kernel: an arm64 Image, or a bzImage for x86_64").type_name("FILE");
  command.add_flag("--flat-kernel", r.flat_kernel, "The kernel is no Linux; take its bytes as they are");
  auto text = command.add_option("--cmdline", r.cmdline, "Kernel command line (default: nitro-cli's for aarch64)");
  text.excludes(command.add_option("--cmdline-file", r.cmdline_file, "File with it; a last newline is left out").type_name("FILE"));
  auto init = command.add_option("--init", r.base.init, "Make the first ramdisk: this program is the first process").type_name("FILE");
  command.add_option("--module", r.base.modules, "Kernel module for it, loaded in this order; 'FILE PARAMETERS'")
      .type_name("FILE")
      .several()
      .needs(init);
  auto ramdisk = command.add_option("--ramdisk", r.ramdisks, "Ready ramdisk; again for more, in this order")
                      .type_name("FILE")
                      .several();
  auto rootfs = command
                     .add_option("--rootfs", r.application.roots,
                                  "Make the last ramdisk: the application's root, a folder or a tar archive (docker export);\n"
                                  "again to lay another over it")
                     .type_name("DIR|TAR");
  command.add_option("--cmd", r.application.command, "What runs in it: the program, and again for each argument (--cmd=-x)")
      .type_name("WORD")
      .needs(rootfs);
  command.add_option("--env", r.application.environment, "Environment variable of it").type_name("NAME=VALUE").needs(rootfs);
  command.add_flag("--keep-attributes", r.application.attributes.keep, "Keep owners and modes of the files, as cofferdam eif build does");
  command.add_option("--arch", r.arch, "aarch64 or x86_64")
      .one_of({"aarch64", "x86_64"})
      .capture_default_str();
  command.add_option("--name", r.name, "Image name in the metadata (default: the output's name)");
  command.add_option("--version", r.version, "Image version in the metadata").capture_default_str();
  command.add_option("--metadata", r.metadata, "JSON object (at most 4096 bytes) to add to the metadata")
      .type_name("FILE");
  auto signer =
      command.add_option("--signing-certificate", b.certificate, "Certificate (PEM) to sign with; measured into PCR8")
          .type_name("FILE");
  auto key =
      command.add_option("--private-key", b.key, "Its private key (PEM; P-256, P-384 or P-521)").type_name("FILE");
  signer.needs(key);
  key.needs(signer);
  command.callback([=, &run] {
    if (uri.count() + ramdisk.count() + rootfs.count() == 0) throw command_line::WrongUse::missing("--ramdisk or --rootfs");
    run = [=] { return build_image(*options); };
  });
}

void add_allocate_command(command_line::Command application, Environment& environment, Run& run) {
  struct Options {
    std::uint32_t cpu_count{};
    std::string memory, cpu_ids;
    bool show{}, release{};
  };
  const auto options = std::make_shared<Options>();
  Options& o = *options;
  command_line::Command command =
      application.add_subcommand("allocate", "Set up CPUs and hugepages for enclaves, and print what there is (JSON)");
  command.footer(
      "All of it or nothing: a refusal says which part failed and why, and leaves everything as it was. What is there "
      "already\n"
      "counts. CPUs can't change while an enclave exists.");
  auto count =
      command.add_option("--cpu-count", o.cpu_count, "CPUs in the pool; the last cores of the machine, never CPU 0");
  auto ids = command.add_option("--cpu-ids", o.cpu_ids, "The pool itself, as 1-3,7");
  auto memory = command.add_option("--memory", o.memory, "MiB in free hugepages, or with a unit (512M, 2G)");
  auto show = command.add_flag("--show", o.show, "Change nothing");
  auto release = command.add_flag("--release", o.release, "Give CPUs and free hugepages back to the parent");
  count.excludes(ids);
  for (command_line::Option other : {count, ids, memory}) {
    show.excludes(other);
    release.excludes(other);
  }
  show.excludes(release);
  command.callback([=, &environment, &run] {
    if (count.count() + ids.count() + memory.count() + show.count() + release.count() == 0) {
      throw command_line::WrongUse::missing("--cpu-count, --cpu-ids, --memory, --show or --release");
    }
    run = [=, &environment] {
      if (options->release) {
        release_all(environment.files);
      } else if (!options->show) {
        AllocationRequest request;
        if (count.count() != 0) request.cpu_count = options->cpu_count;
        if (ids.count() != 0) request.cpu_ids = parse_cpu_list(options->cpu_ids);
        if (memory.count() != 0) request.memory_mib = memory_in_mib(options->memory);
        allocate(environment.files, request);
      }
      std::cout << pretty(allocation_json(environment.files));
      return 0;
    };
  });
}

void add_explain_command(command_line::Command application, Run& run) {
  command_line::Command explain = application.add_subcommand("explain", "Say what an error code means and what to do");
  const auto name = std::make_shared<std::string>();
  explain.add_option("--error-code", *name, "The code, such as E26").required();
  explain.callback([&run, name] {
    run = [name] {
      const std::optional<ErrorCode> code = code_named(*name);
      if (!code)
        throw Failure(ErrorCode::kInvalidArgument, "There is no error code " + *name + ".", "They go from E00 to E60.");
      std::cerr << '[' << ' ' << name_of(*code) << " ] " << title_of(*code) << ". " << explanation_of(*code) << '\n';
      return 0;
    };
  });
}

}  // namespace

int run_command_line(int argc, const char* const* argv, Environment& environment) {
  std::signal(SIGPIPE, SIG_IGN);  // NOLINT: a closed pipe is an error of the write
  command_line::Program application("Enclaves from the parent: the verbs, options and JSON of nitro-cli, and allocate.",
                       "cofferdam-cli");
  application.set_version_flag("--version,-V", std::string("cofferdam-cli ") + kVersion);
  application.set_help_all_flag("--help-all", "Print the help of every command");
  application.require_subcommand(1);
  application.fallthrough();
  application.footer(
      "Exit status: 0, or the number of the error code: 26 for E26. JSON goes to standard output, words to standard "
      "error.\n"
      "NITRO_CLI_SOCKETS_PATH: folder of the enclave processes' sockets (/run/nitro_enclaves);\n"
      "NITRO_CLI_LOGS_PATH: folder of the log nitro_enclaves.log (/var/log/nitro_enclaves).");
  application.add_option("--run-dir", environment.places.run_folder, "Folder of the enclave processes' sockets")
      .type_name("FOLDER");
  Run run;
  add_run_command(application, environment, run);
  add_enclave_commands(application, environment, run);
  add_image_commands(application, run);
  add_allocate_command(application, environment, run);
  add_explain_command(application, run);
  const EventLog log(environment.places.log_folder, "nitro-cli:" + std::to_string(::getpid()));
  try {
    if (!application.parse(argc, argv)) return 0;
  } catch (const command_line::WrongUse& error) {
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
