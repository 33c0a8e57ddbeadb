// `cofferdam-xks`: the XKS proxy of a customer who holds his own key.
#include <csignal>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "tools/command_line/command_line.hpp"
#include "tools/xks/development.hpp"
#include "tools/xks/proxy.hpp"

namespace xks {
namespace {

using OrderedJson = nlohmann::ordered_json;

https::ServerOptions server_options(const ListenOptions& listen) {
  https::ServerOptions options;
  options.address = listen.address;
  options.port = listen.port;
  options.certificate_pem = listen.certificate_pem;
  options.key_pem = listen.key_pem;
  options.client_ca_pem = listen.client_ca_pem;
  options.minimum_tls = listen.minimum_tls;
  options.threads = listen.threads;
  options.waiting = listen.waiting;
  options.largest_body = kMostBody;
  options.keep_alive = std::chrono::seconds(60);
  return options;
}

int serve(const std::string& path) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGHUP, SIGINT, SIGTERM}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread: the one below takes them

  Configuration configuration = read_configuration(path);
  if (!configuration.softhsm_configuration.empty()) setenv("SOFTHSM2_CONF", configuration.softhsm_configuration.c_str(), 0);
  AuditLog audit(configuration.audit_file);
  const auto token = std::make_shared<pkcs11::Token>(configuration.token);
  for (const auto& [id, key] : configuration.keys) {
    if (!token->find(key.label)) audit.note("key-missing", "the token has no key '" + key.label + "' for the external key " + id);
  }
  const std::string uri_path = configuration.uri_path, address = configuration.listen.address;
  const https::ServerOptions options = server_options(configuration.listen);
  Proxy proxy(std::move(configuration), token, audit);
  https::Server server(options, [&proxy](const https::Request& request) { return proxy.answer(request); });
  std::thread signal_thread([&] {
    for (int signal = 0; sigwait(&signals, &signal) == 0;) {
      if (signal != SIGHUP) break;
      try {
        proxy.replace(read_configuration(path));
        audit.note("configuration-read", path);
      } catch (const std::exception& error) {
        audit.note("configuration-refused", std::string(error.what()) + "; the old one stays");
      }
    }
    server.stop();
  });
  std::cout << OrderedJson({{"ready", true}, {"address", address}, {"port", server.port()}, {"path", uri_path}}).dump() << std::endl;
  server.run();
  pthread_kill(signal_thread.native_handle(), SIGTERM);  // in case the listener ended by itself
  signal_thread.join();
  return 0;
}

int init(const DevelopmentSetup& setup, bool as_json) {
  const DevelopmentResult result = make_development_setup(setup);
  if (as_json) {
    std::cout << OrderedJson({{"configuration", result.configuration}, {"key_service", result.key_service}, {"authority", result.authority},
                       {"access_key_id", result.access_key_id}, {"external_key", setup.external_key}}).dump() << "\n";
  } else {
    std::cout << "Made " << setup.folder << ": a SoftHSM token with the key " << setup.external_key
              << ", an authority, a certificate, a credential.\n"
              << "Start:           cofferdam-xks serve --config " << result.configuration << "\n"
              << "For key service: " << result.key_service << " (endpoint, path, credential; keep it secret)\n"
              << "This is for trying and testing: the token's key lies in files of this folder.\n";
  }
  return 0;
}

}  // namespace
}  // namespace xks

int main(int argc, char** argv) {
  command_line::Program app{"The XKS proxy (API v1) in front of a PKCS#11 token: the customer's own key for a key service.\n"
               "Exit status: 0 done; 1 the token or the machine failed; 2 a wrong option or configuration."};
  app.require_subcommand(1);
  xks::DevelopmentSetup setup;
  bool as_json = false;
  auto init = app.add_subcommand("init", "Make a development set-up in a new folder: token, keys, certificates, credential, configuration");
  init.add_option("folder", setup.folder, "Folder to make").required().type_name("DIR");
  init.add_option("--key", setup.external_key, "External key id, and label of the key in the token").capture_default_str();
  init.add_option("--uri-prefix", setup.uri_prefix, "What stands before /kms/xks/v1, e.g. /customer-1").type_name("PATH");
  init.add_option("--name", setup.names, "Names and IPv4 addresses of the server's certificate; the first is the endpoint's")
      .capture_default_str();
  init.add_option("--port", setup.port, "Port to listen at; 0: any free one").within(0, 65535).capture_default_str();
  init.add_flag("--json", as_json, "Say what was made as one line of JSON");
  std::string configuration;
  auto serve = app.add_subcommand("serve", "Serve until SIGTERM. SIGHUP reads keys, policies and credentials again. Prints one line of JSON "
                                            "with the port when it is ready; the audit goes to standard error or the configured file");
  serve.add_option("--config", configuration, "Configuration (JSON; docs/xks-proxy.md); only its owner may read it")
      .required().type_name("FILE");
  auto check = app.add_subcommand("check", "Read a configuration and say whether it can be used");
  check.add_option("--config", configuration, "Configuration to read").required().type_name("FILE");
  if (const auto ended = app.parse_or_explain(argc, argv)) return *ended;
  try {
    if (init.parsed()) return xks::init(setup, as_json);
    if (serve.parsed()) return xks::serve(configuration);
    const xks::Configuration read = xks::read_configuration(configuration);
    std::cout << configuration << " can be used: " << read.keys.size() << " keys, " << read.credentials.size() << " credentials, path "
              << read.uri_path << "\n";
    return 0;
  } catch (const xks::ConfigurationError& error) {
    std::fprintf(stderr, "cofferdam-xks: %s\n", error.what());
    return 2;
  } catch (const cofferdam::Unreadable& error) {
    std::fprintf(stderr, "cofferdam-xks: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cofferdam-xks: %s\n", error.what());
    return 1;
  }
}
