// `cofferdam-kms`: reads its options, puts the service together, runs it.
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>

#include "tools/command_line/command_line.hpp"
#include "tools/kms/command_audit.hpp"
#include "tools/kms/configuration.hpp"
#include "tools/kms/external_keys.hpp"
#include "tools/kms/service.hpp"
#include "tools/pkcs11/pin_file.hpp"

namespace kms {
namespace {

constexpr std::size_t kMaxFile = 1 << 20;
constexpr std::chrono::seconds kDeletionPeriod{60};

std::string text_file(const std::string& path) { return std::string(cofferdam::as_text(cofferdam::read_file(path, kMaxFile))); }

Time system_time() { return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()); }

struct ServeCommand {
  std::string configuration_file;
  bool allow_debug{};
  bool allow_development{};
  std::optional<int> port;
  command_line::Command command;

  void add_to(command_line::Command app) {
    command = app.add_subcommand("serve", "Run the service until SIGTERM or SIGINT");
    command.add_option("--config", configuration_file, "The configuration that `init` made, or one by hand")
        .required()
        .type_name("FILE");
    command.add_option("--port", port, "Listen there instead; 0: any free port").within(0, 65535);
    command.add_flag("--allow-debug", allow_debug,
                      "Take documents of debug enclaves too. Whoever runs their parent can read every key they get");
    command.add_flag("--allow-development", allow_development,
                      "Take documents of development identities too. Anybody can make such documents");
    command.footer("When it is ready it prints one line: {\"address\":\"127.0.0.1\",\"port\":8443,\"ready\":true}");
  }

  void run() const {
    const Configuration configuration = read_configuration(configuration_file);
    if (!configuration.softhsm_configuration.empty()) setenv("SOFTHSM2_CONF", configuration.softhsm_configuration.c_str(), 1);

    // Before any thread exists: all of them inherit it, and one waits for the signals.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    // Every waiting connection is a descriptor; the usual soft limit of 1024 is below what may wait.
    rlimit descriptors{};
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
      descriptors.rlim_cur = descriptors.rlim_max;
      setrlimit(RLIMIT_NOFILE, &descriptors);
    }

    pkcs11::Token token({.module = configuration.module,
                         .token_label = configuration.token_label,
                         .pin = pkcs11::pin_in_file(configuration.pin_file),
                         .sessions = configuration.threads});
    TokenRootKeys root_keys(token);
    KeyWrapping wrapping(root_keys, configuration.root_key);
    const std::unique_ptr<Store> store = open_store({.url = configuration.store, .connections = configuration.store_connections}, wrapping);
    Principals principals(configuration.principals_file);
    Recipients recipients({.anchors = configuration.anchors, .allow_debug = allow_debug, .allow_development = allow_development});
    const std::unique_ptr<ExternalKeys> external = make_xks_keys(configuration.place.region);
    const std::string authorities =
        configuration.xks_authorities_file.empty() ? "" : text_file(configuration.xks_authorities_file);
    Parts parts{configuration.place, true, authorities, system_time, *store, wrapping, recipients, *external, {}};
    Service service(parts, principals);

    https::ServerOptions options;
    options.address = configuration.address;
    options.port = port.value_or(configuration.port);
    options.certificate_pem = text_file(configuration.certificate_file);
    options.key_pem = std::string(cofferdam::as_text(cofferdam::read_private_file(configuration.key_file, kMaxFile)));
    options.threads = configuration.threads;
    options.waiting = 2048;
    options.keep_alive = std::chrono::seconds(60);  // an idle connection holds no thread
    options.idle = 4096;  // clients open their connections first and ask later: a thousand enclaves may
    options.largest_body = 256 * 1024;
    https::Server server(options, [&](const https::Request& request) { return service.answer(request); });

    std::jthread deletion([&](const std::stop_token& stop) { delete_now_and_then(parts, stop); });
    std::thread waiter([&] {
      int signal = 0;
      sigwait(&signals, &signal);
      server.stop();
    });
    std::printf("{\"address\":\"%s\",\"port\":%d,\"ready\":true}\n", configuration.address.c_str(), server.port());
    std::fflush(stdout);
    server.run();
    // Also when run() ended by itself: the waiter must not wait for a signal that never comes.
    pthread_kill(waiter.native_handle(), SIGTERM);
    waiter.join();
  }

 private:
  static void delete_now_and_then(Parts& parts, const std::stop_token& stop) {
    auto next = std::chrono::steady_clock::now();
    while (!stop.stop_requested()) {
      if (std::chrono::steady_clock::now() >= next) {
        next = std::chrono::steady_clock::now() + kDeletionPeriod;
        try {
          delete_due_keys(parts);
        } catch (const std::exception& error) {
          std::fprintf(stderr, "cofferdam-kms: keys whose time has come were not deleted: %s\n", error.what());
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
  }
};

struct InitCommand {
  std::string folder;
  Place place;
  std::vector<std::string> roots;
  bool aws{};
  command_line::Command command;

  void add_to(command_line::Command app) {
    command = app.add_subcommand("init", "Make a development set-up: token, root key, certificate, administrator, configuration");
    command.add_option("folder", folder, "A new or empty folder").required().type_name("DIR");
    command.add_option("--region", place.region, "The region in ARNs and signatures").capture_default_str();
    command.add_option("--account", place.account, "The account in ARNs, 12 digits").capture_default_str();
    command.add_option("--root", roots, "Believe documents under this root certificate (PEM or DER); may stand several times")
        .type_name("FILE");
    command.add_flag("--aws", aws, "Believe documents under AWS's Nitro Enclaves root");
  }
  void run() const {
    if (!is_account(place.account)) throw cofferdam::Unreadable("--account must have 12 digits");
    if (roots.empty() && !aws) throw cofferdam::Unreadable("give --root FILE, --aws or both: whose attestation documents count?");
    make_development_setup(folder, place, roots, aws);
    std::printf("%s/kms.json is ready.\nRun:    cofferdam-kms serve --config %s/kms.json\n"
                "Client: set -a; . %s/administrator.env; set +a; aws --endpoint-url https://localhost:8443 kms list-keys\n",
                folder.c_str(), folder.c_str(), folder.c_str());
  }
};

// What is done to the store beside the service.
int with_store(const std::string& configuration_file, bool to_read, const std::function<int(Store&, KeyWrapping&)>& use) {
  const Configuration configuration = read_configuration(configuration_file);
  if (!configuration.softhsm_configuration.empty()) setenv("SOFTHSM2_CONF", configuration.softhsm_configuration.c_str(), 1);
  pkcs11::Token token({.module = configuration.module, .token_label = configuration.token_label, .pin = pkcs11::pin_in_file(configuration.pin_file)});
  TokenRootKeys root_keys(token);
  KeyWrapping wrapping(root_keys, configuration.root_key);
  const StoreOptions options{.url = configuration.store};
  return use(to_read ? *open_store_to_read(options, wrapping) : *open_store(options, wrapping), wrapping);
}

int run(int count, char** values) {
  command_line::Program app("cofferdam-kms: a key service that speaks AWS KMS's protocol and releases keys to attested enclaves\n"
               "Exit status: 0 done; 1 the token, the store or the machine failed; 2 a wrong option or configuration.");
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Print the help of all subcommands and exit");
  ServeCommand serve;
  InitCommand init;
  serve.add_to(app);
  init.add_to(app);
  AuditCommand audit;
  RewrapCommand rewrap;
  audit.add_to(app);
  rewrap.add_to(app);
  if (const auto ended = app.parse_or_explain(count, values)) return *ended;
  try {
    if (serve.command.parsed()) serve.run();
    if (init.command.parsed()) init.run();
    if (audit.chosen()) return audit.run(with_store);
    if (rewrap.chosen()) return rewrap.run(with_store);
  } catch (const cofferdam::Unreadable& error) {
    std::fprintf(stderr, "cofferdam-kms: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cofferdam-kms: %s\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace kms

int main(int count, char** values) { return kms::run(count, values); }
