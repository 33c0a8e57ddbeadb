// cofferdam-cli, also called nitro-cli: starts, lists, ends and listens to enclaves through Linux's nitro_enclaves
// driver.
#include "guests/parent/cli/commands.hpp"
#include "guests/parent/cli/linux_environment.hpp"

int main(int argc, char** argv) {
  enclave_cli::LinuxDriver driver;
  enclave_cli::LinuxFiles files;
  enclave_cli::LinuxPages pages(files);
  enclave_cli::Vsock sockets;
  enclave_cli::Environment environment{driver, pages, sockets, files, enclave_cli::places_from_environment()};
  return enclave_cli::run_command_line(argc, argv, environment);
}
