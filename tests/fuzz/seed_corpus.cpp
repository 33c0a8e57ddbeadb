// Writes the fuzzers' seeds: OUTPUT/<fuzzer>/<name>. All of it is made by our own tools, here and now.
#include <cstdio>
#include <exception>
#include <filesystem>

#include "tests/unit/firmware/attestation/signers.hpp"
#include "tests/unit/firmware/enclave/eif_builder.hpp"
#include "tests/unit/firmware/hex_text.hpp"
#include "tests/unit/tools/cofferdam/forged_document.hpp"
#include "tools/artifact/encryptor.hpp"
#include "tools/cofferdam/eif_describe.hpp"

namespace {

using cofferdam::Bytes;
using cofferdam::ByteView;

std::filesystem::path g_folder;

void write(const std::string& fuzzer, const std::string& name, ByteView bytes) {
  const std::filesystem::path folder = g_folder / fuzzer;
  std::filesystem::create_directories(folder);
  cofferdam::write_file((folder / name).string(), bytes);
}
Bytes with_choice(std::uint8_t choice, ByteView bytes) {
  Bytes result{choice};
  result.insert(result.end(), bytes.begin(), bytes.end());
  return result;
}

void write_documents() {
  const forged::Forgery honest;
  forged::Forgery full;
  full.user_data = Bytes(200, 'u');
  full.public_key = Bytes(294, 'k');
  full.pcrs[16] = Bytes(48, 7);
  forged::Forgery development;
  development.links[0].unit = "DEVELOPMENT";
  int number = 0;
  const auto write_one = [&](const forged::Forgery& forgery) {
    const std::string name = std::to_string(number++);
    write("document_fuzz", "payload" + name, with_choice(1, forgery.payload()));
  };
  write("document_fuzz", "document", with_choice(0, honest.document()));  // the only one that may be accepted as it is
  write_one(honest);
  write_one(full);
  write_one(development);
  write("document_fuzz", "base64", with_choice(2, cofferdam::as_bytes(cofferdam::to_base64(honest.document()))));
  write("document_fuzz", "hexadecimal", with_choice(2, cofferdam::as_bytes(cofferdam::to_hex(honest.document()))));
  for (std::size_t i = 0; i < honest.links.size(); ++i) {
    write("document_fuzz", "certificate" + std::to_string(i),
          with_choice(3, forged::certificate_of(honest.links, i)));
  }
}

void write_answers() {
  const std::string piece = R"(data: {"choices":[{"index":0,"delta":{"content":"a PCR"},"finish_reason":null}]})";
  const auto write_one = [](const char* name, const std::string& stream) {
    write("chat_fuzz", name, with_choice(2, cofferdam::as_bytes(stream)));
  };
  write_one("answer", piece + "\n\n" + piece + "\r\n\r\n: still there\n\ndata: [DONE]\n\n");
  write_one("error", "data: {\"error\":{\"message\":\"no memory\\u001b[2J\"}}\n\n");
  write_one("lines", "data: {\ndata: \"choices\":[]}\n\n");
}

void write_service_requests() {
  write("sigv4_fuzz", "signed", cofferdam::as_bytes(
      "/kms/xks/v1/health?b=1&a=%2f\nHost: example.com\nX-Amz-Date: 20150830T123600Z\nAuthorization: AWS4-HMAC-SHA256 "
      "Credential=AKIDEXAMPLE/20150830/us-east-1/kms/aws4_request, SignedHeaders=host;x-amz-date, "
      "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31\n\n{}"));
  const std::string metadata = R"({"requestMetadata":{"awsPrincipalArn":"a","kmsKeyArn":"k","kmsOperation":"o","kmsRequestId":"1"})";
  const auto body = [&metadata](std::uint8_t call, const std::string& rest) { return with_choice(call, cofferdam::as_bytes(metadata + rest + "}")); };
  write("xks_request_fuzz", "metadata", body(0, ""));
  write("xks_request_fuzz", "encrypt", body(1, R"(,"plaintext":"SGVsbG8=","encryptionAlgorithm":"AES_GCM","additionalAuthenticatedData":"AA==",)"
                                               R"("ciphertextDataIntegrityValueAlgorithm":"SHA_256")"));
  write("xks_request_fuzz", "decrypt", body(2, R"(,"ciphertext":"SGVsbG8=","encryptionAlgorithm":"AES_GCM","ciphertextMetadata":"AQ==",)"
                                               R"("initializationVector":"HMrlRw85cAJUd5Ax","authenticationTag":"vBxN2ncH1oEkR8WVXpmyYQ==")"));
  write("xks_request_fuzz", "health", body(3, ""));
  const auto target = [](std::uint8_t choice, std::string_view text) { return with_choice(choice, cofferdam::as_bytes(text)); };
  write("xks_route_fuzz", "whole", target(0, "/fuzz/kms/xks/v1/keys/cofferdam-key-1/decrypt"));
  write("xks_route_fuzz", "behind_path", target(1, "/keys/cofferdam-key-1/encrypt"));
  write("xks_route_fuzz", "health", target(1, "/health"));
}

void write_images() {
  auto sections = test_data::usual_sections();
  write("eif_fuzz", "two_ramdisks", test_data::image_of(sections));
  sections.push_back(test_data::section(test_data::kSignature, "signature"));
  write("eif_fuzz", "with_signature", test_data::image_of(sections));
  const cofferdam::EifMetadata metadata{"name", "1", "1970-01-01T00:00:00+00:00", "cofferdam", "1.0", "Linux", "6.1", nullptr};
  const std::string text = cofferdam::metadata_section(metadata);
  sections = test_data::usual_sections();
  sections[2].data.assign(text.begin(), text.end());
  write("eif_fuzz", "with_metadata", test_data::image_of(sections));
  sections.resize(enclave::kMaxEifSections, test_data::section(test_data::kRamdisk, "more"));
  write("eif_fuzz", "full_table", test_data::image_of(sections));
}

// A signature of the register value that eif_signature_fuzz.cpp asks about, by a key made here.
void write_signatures() {
  const crypto::P384KeyPair key = forged::key_of("signer");
  std::vector<forged::Link> links{{.name = "signer",
                                      .kind = crypto::CertificateKind::kRoot,
                                      .not_after = 4'000'000'000}};
  const std::string pem = "-----BEGIN CERTIFICATE-----\n" + cofferdam::to_base64(forged::certificate_of(links, 0)) +
                          "\n-----END CERTIFICATE-----\n";
  cofferdam::CborWriter payload;
  payload.map(2);
  payload.text("register_index");
  payload.unsigned_integer(0);
  payload.text("register_value");
  payload.array(48);
  for (int i = 0; i < 48; ++i) payload.unsigned_integer(0x5a);
  const Bytes header{0xa1, 0x01, 0x38, 0x22};
  const auto signature = key.sign(crypto::sha384(cofferdam::to_be_signed(header, payload.result()))).value();
  cofferdam::CborWriter object;
  object.array(4);
  object.bytes(header);
  object.map(0);
  object.bytes(payload.result());
  object.bytes(signature);
  write("eif_signature_fuzz", "good", cofferdam::encode_signature_section(cofferdam::as_bytes(pem), object.result()));
  const Bytes pcr0(48, 0x5a);
  const cofferdam::PrivateKey signer(cofferdam::as_bytes(test_data::kSignerKey));
  for (const char* certificate : {test_data::kVersion1Signer, test_data::kRsaIssuedSigner}) {
    write("eif_signature_fuzz", certificate == test_data::kVersion1Signer ? "version_1" : "rsa_issued",
          cofferdam::sign_pcr0(pcr0, signer, cofferdam::as_bytes(certificate)));
  }
}

// nitro-formats section 1.4, one stream with all seven requests and each of them alone.
void write_requests() {
  const char* const requests[] = {
      "6947657452616e646f6d",
      "6b44657363726962654e534d",
      "a16b4465736372696265504352a165696e64657800",
      "a169457874656e64504352a265696e64657810646461746143010203",
      "a1674c6f636b504352a165696e64657810",
      "a1684c6f636b50435273a16572616e676512",
      "a16b4174746573746174696f6ea369757365725f64617461f6656e6f6e6365430102036a7075626c69635f6b6579f6",
  };
  Bytes all{0};
  int number = 0;
  for (const char* hex : requests) {
    const Bytes request = *cofferdam::from_hex(hex);
    Bytes framed{static_cast<std::uint8_t>(request.size() >> 8), static_cast<std::uint8_t>(request.size())};
    framed.insert(framed.end(), request.begin(), request.end());
    all.insert(all.end(), framed.begin(), framed.end());
    write("nsm_fuzz", "request" + std::to_string(number++), with_choice(0, framed));
  }
  write("nsm_fuzz", "all", all);
}

// Steps of tests/fuzz/device_steps.hpp: Linux's way through the registers of the Nitro Enclaves device and of its bus.
Bytes step(std::uint8_t action, std::uint8_t size_choice, std::uint16_t offset, std::uint32_t value) {
  Bytes bytes{action, size_choice, static_cast<std::uint8_t>(offset), static_cast<std::uint8_t>(offset >> 8)};
  for (int i = 0; i < 8; ++i) bytes.push_back(i < 4 ? static_cast<std::uint8_t>(value >> (8 * i)) : std::uint8_t{0});
  return bytes;
}
Bytes joined(std::initializer_list<Bytes> steps) {
  Bytes all;
  for (const Bytes& one : steps) all.insert(all.end(), one.begin(), one.end());
  return all;
}

void write_devices() {
  constexpr std::uint8_t kWord = 2, kHalf = 1;  // choices of a size
  const Bytes off = step(3, 0, 0, 0), version = step(4, 0, 0, 1), on = step(3, 0, 0, 1), take = step(5, 0, 0, 0);
  const Bytes data = step(1, 3, 0, 77), complete = step(6, 0, 0, 9), event = step(7, 0, 0, 0);
  for (std::uint32_t command = 0; command < 13; ++command) {
    write("command_device_fuzz", "command" + std::to_string(command),
          joined({off, version, on, data, step(2, 0, 0, command), take, complete, event}));
  }
  const Bytes start = step(2, 0, 0, 1);
  write("command_device_fuzz", "reset", joined({version, on, start, take, off, version, on, start, complete, take, complete}));
  write("pci_config_fuzz", "probe",
        joined({step(0, kWord, 0x10, ~0U), step(0, kWord, 0x10, 0x0f10'0000), step(0, kWord, 0x1c, 0x0f10'1000),
                step(0, kHalf, 4, 0x406), step(7, 0, 0, 0x0f10'1010)}));
  write("pci_config_fuzz", "messages",
        joined({step(0, kHalf, 0x82, 0xc000), step(2, kWord, 0, 0x0800'0040), step(2, kWord, 8, 224), step(4, 0, 0, 0),
                step(2, kWord, 12, 0), step(0, kHalf, 0x82, 0x8000), step(4, 0, 0, 0), step(0, kHalf, 0x82, 0)}));
}

void write_policies() {
  const std::string value = cofferdam::to_hex(Bytes(48, 1));
  const std::string texts[] = {
      R"({"Measurements": {"HashAlgorithm": "Sha384 { ... }", "PCR0": ")" + value + R"("}, "IsSigned": false})",
      R"({"PCR0": ")" + value + R"("})",
      R"({"pcrs": {"0": [")" + value + R"("]}, "platform": {"1": ")" + value + R"("}, "max_age_seconds": 60})",
      R"({"format": 1, "platform_pcrs": {"0": ")" + value + R"("}})",
      "0=" + value,
  };
  int number = 0;
  for (const std::string& text : texts) write("policy_fuzz", std::to_string(number++), cofferdam::as_bytes(text));
}

// Long sequences of operations to begin with: calls_fuzz, vgic_fuzz and vsock_fuzz make something of any bytes.
void write_calls() {
  std::uint64_t position = 0;
  for (int i = 0; i < 12; ++i) {
    Bytes bytes(500U + 100U * static_cast<unsigned>(i));
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(test_data::number(position++));
    bytes[0] = static_cast<std::uint8_t>(i);  // each of its three kinds of run
    write("vgic_fuzz", std::to_string(i), bytes);
  }
  for (int i = 0; i < 24; ++i) {
    Bytes bytes(512U + 128U * static_cast<unsigned>(i));
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(test_data::number(position++));
    write("calls_fuzz", std::to_string(i), bytes);
  }
  for (int i = 0; i < 16; ++i) {
    Bytes bytes(256U + 128U * static_cast<unsigned>(i));
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(test_data::number(position++));
    write("vsock_fuzz", std::to_string(i), bytes);
  }
}

void append_access(Bytes& bytes, std::uint8_t kind, std::uint8_t which, std::uint32_t value) {
  for (const std::uint32_t byte : {std::uint32_t{kind}, std::uint32_t{which}, value & 0xff, value >> 8 & 0xff,
                                   value >> 16 & 0xff, value >> 24}) {
    bytes.push_back(static_cast<std::uint8_t>(byte));
  }
}

// A driver that comes up, as virtio_mmio_fuzz.cpp numbers the registers; then anything. virtqueue_fuzz makes something of
// any bytes: one kind of run and one size of the queue for each seed.
void write_virtio() {
  std::uint64_t position = 0x1000;
  for (std::uint8_t shape = 0; shape < 2; ++shape) {
    Bytes bytes{shape};
    append_access(bytes, 100, 0, 3);  // ACKNOWLEDGE, DRIVER
    append_access(bytes, 100, 8, 1);
    append_access(bytes, 100, 7, 1);  // VERSION_1
    append_access(bytes, 100, 0, 8);
    for (std::uint8_t queue = 0; queue < 1 + 2 * shape; ++queue) {
      append_access(bytes, 100, 5, queue);
      append_access(bytes, 100, 6, 16);
      append_access(bytes, 100, 10, 0x1000);
      append_access(bytes, 100, 12, 0x2000);
      append_access(bytes, 100, 14, 0x3000);
      append_access(bytes, 100, 2, 1);
    }
    append_access(bytes, 100, 0, 4);
    append_access(bytes, 100, 3, shape);
    append_access(bytes, 10, 0, 0);
    append_access(bytes, 100, 4, 1);
    write("virtio_mmio_fuzz", "comes_up" + std::to_string(shape), bytes);
    for (int i = 0; i < 1200; ++i) bytes.push_back(static_cast<std::uint8_t>(test_data::number(position++)));
    write("virtio_mmio_fuzz", "goes_on" + std::to_string(shape), bytes);
  }
  for (std::uint8_t choice = 0; choice < 18; ++choice) {
    Bytes bytes{choice};
    for (int i = 0; i < 1500; ++i) bytes.push_back(static_cast<std::uint8_t>(test_data::number(position++)));
    write("virtqueue_fuzz", std::to_string(choice), bytes);
  }
}

// A whole message, of another key than artifact_fuzz has, and plaintexts that it encrypts and changes: a bit, the end, a piece.
void write_artifacts() {
  Bytes message;
  artifact::EncryptorOptions options;
  options.data_keys = {{"aws-kms", "arn:aws:kms:us-east-1:1:key/1", Bytes(64, 1)}, {"other", "x", {0}}};
  options.context = {{"artifact", "seed"}, {"version", "1"}};
  options.frame_length = 64;
  artifact::Encryptor encryptor(options, Bytes(32, 0x77), [&](ByteView bytes) { message.insert(message.end(), bytes.begin(), bytes.end()); });
  encryptor.write(Bytes(200, 'p'));
  encryptor.finish();
  write("artifact_fuzz", "message", with_choice(0, message));
  for (std::uint8_t how = 0; how < 5; ++how) {
    Bytes bytes{1, 31, how, 0, 100, 0, 180};
    bytes.insert(bytes.end(), 100, 'p');
    write("artifact_fuzz", "changed" + std::to_string(how), bytes);
  }
}

void write_inference() {
  const auto text = [](const std::string& fuzzer, const std::string& name, std::uint8_t choice, const std::string& content) {
    write(fuzzer, name, with_choice(choice, cofferdam::as_bytes(content)));
  };
  text("request_filter_fuzz", "chat", 0,
       R"({"messages":[{"role":"system","content":"a"},{"role":"user","content":[{"type":"text","text":"b"},{"type":"image_url","image_url":{"url":"file:///x"}}]}],)"
       R"("stream":true,"stream_options":{"include_usage":true},"max_tokens":5,"n":1,"tools":[],"response_format":{"type":"json_object"}})");
  text("request_filter_fuzz", "text", 0, R"({"messages":[{"role":"user","content":[{"type":"text","text":"b"}]}],"logprobs":true,"top_logprobs":3})");
  text("request_filter_fuzz", "completion", 2,
       R"({"prompt":"a","n_predict":-1,"temperature":0.5,"top_k":40,"top_p":0.9,"min_p":0.1,"typical_p":1,"seed":1,"stop":["x"],"repeat_last_n":64,)"
       R"("repeat_penalty":1.1,"logit_bias":{"5":-100},"n_probs":2,"cache_prompt":true,"id_slot":0})");
  text("request_filter_fuzz", "refused", 1, R"({"prompt":["a",[1,2]],"grammar":"root ::= root","json_schema":{},"lora":[{"id":0}],"n":2})");
  text("request_filter_fuzz", "path", 0, "/v1/chat/completions");
  const std::string owner = R"({"host":"kms.test","port":443,"region":"us-east-1","ca_file":"/ca.pem","key_arn":"arn:1","context":{"a":"b"},"vsock_port":8001})";
  text("service_file_fuzz", "service", 0,
       R"({"model":"m","most_bytes":1,"threads":1,"context_tokens":256,"parallel":1,"listen_port":443,"parent":"vsock:parent:9100","owners":{"weights":)" + owner +
           R"(,"prompts":)" + owner + "}}");
  text("service_file_fuzz", "launch", 1,
       R"({"artifact":"m.artifact","weights":{"access_key_id":"A","secret_access_key":"B","session_token":"C"},)"
       R"("prompts":{"access_key_id":"A","secret_access_key":"B","ciphertext":"AAEC"}})");
  text("store_answer_fuzz", "whole", 0, "ok 5\nhello");
  text("store_answer_fuzz", "pieces", 7, "ok 5000\nhello");
  text("store_answer_fuzz", "error", 0, "error No such file or directory\n");
  int number = 0;
  for (const char* line : {"GET file\n", "GET link\n", "GET ../secret\n", "SAY served \x1b[2J\n", "PUT\n"}) {
    write("store_request_fuzz", "request" + std::to_string(number++), cofferdam::as_bytes(line));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: seed_corpus OUTPUT\n");
    return 2;
  }
  g_folder = argv[1];
  try {
    write_documents();
    write_answers();
    write_images();
    write_service_requests();
    write_signatures();
    write_requests();
    write_policies();
    write_devices();
    write_calls();
    write_virtio();
    write_artifacts();
    write_inference();
    cofferdam::write_file((g_folder / "written").string(), {});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "seed_corpus: %s\n", error.what());
    return 1;
  }
  return 0;
}
