// Documents verified per second by `cofferdam verify`: a real one, with its chain of five certificates.
#include <benchmark/benchmark.h>

#include "tools/cofferdam/verify.hpp"

namespace {

void verify_document(benchmark::State& state) {
  const std::string folder = COFFERDAM_FIXTURES;
  cofferdam::VerifyOptions options;
  cofferdam::Bytes document;
  try {
    document = cofferdam::read_file(folder + "/attestation/signal_02.cose", cofferdam::kMaxDocument);
    options.anchors.roots.push_back(cofferdam::read_file(folder + "/certs/aws_nitro_root_g1.der", 4096));
  } catch (const std::exception&) {
    state.SkipWithError("no documents: set COFFERDAM_FIXTURES");
    return;
  }
  options.time = 1705432216;  // inside the document's three hours
  for (auto _ : state) {
    const cofferdam::Report report = cofferdam::verify_document(document, options);
    if (report.refused) state.SkipWithError(report.message.c_str());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(verify_document)->Name("document/verify")->Unit(benchmark::kMillisecond);

}  // namespace
