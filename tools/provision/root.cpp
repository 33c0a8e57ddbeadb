#include "tools/provision/root.hpp"

#include <algorithm>

#include "firmware/crypto/certificate.hpp"
#include "firmware/crypto/certificate_view.hpp"

namespace provision {
namespace {

constexpr std::string_view kRootName = "cofferdam.root";
constexpr std::string_view kManufacturerName = "cofferdam.manufacturer";

Bytes issue(const crypto::CertificateRequest& request, const PrivateKey& issuer) {
  std::array<std::uint8_t, measure::kMaxCertificateSize> buffer{};
  const auto certificate = crypto::write_certificate(request, issuer.pair, buffer);
  if (!certificate.ok()) throw ProvisionError("internal: a certificate can't be written");
  return {certificate->begin(), certificate->end()};
}

void write_text(const Path& path, const std::string& text, Secrecy secrecy) {
  write_file(path, bytes_of(text), secrecy);
}

crypto::CertificateView view_of(ByteView der, const Path& path) {
  const auto view = crypto::read_certificate(der);
  if (!view.ok()) throw ProvisionError(path.string() + ": not a certificate of this kind of chain");
  return view.value();
}

bool certifies(const crypto::CertificateView& certificate, const crypto::P384PublicKey& key) {
  const base::Bytes point = certificate.public_key();
  return std::equal(point.begin(), point.end(), key.begin(), key.end());
}

}  // namespace

void make_root(const RootOptions& options, const Randomness& randomness) {
  std::filesystem::create_directories(options.folder);
  for (const char* name : {"root-key.pem", "root.pem", "manufacturer-key.pem", "firmware-signing-key.pem"}) {
    if (std::filesystem::exists(options.folder / name)) {
      throw ProvisionError((options.folder / name).string() +
                           " exists: a root is never replaced. Choose another --output, or remove the old root "
                           "yourself if no device needs it any more.");
    }
  }
  const PrivateKey root_key = make_private_key(randomness.scalar("root key"));
  const PrivateKey manufacturer_key = make_private_key(randomness.scalar("manufacturer key"));
  const PrivateKey firmware_key = make_private_key(randomness.scalar("firmware signing key"));

  const crypto::DistinguishedName root_name{kRootName, {}, unit_of(options.purpose)};
  const std::array mark{crypto::Extension{kDevelopmentOid, crypto::Criticality::kNotCritical, kDevelopmentValue}};
  const auto root_serial = randomness.serial("root");
  crypto::CertificateRequest root{};
  root.issuer = root_name;
  root.subject = root_name;
  root.serial = root_serial;
  root.validity = {options.not_before, options.not_before + kRootLifetime};
  root.kind = crypto::CertificateKind::kRoot;
  root.subject_key = root_key.pair.public_key();
  if (options.purpose == Purpose::kDevelopment) root.extensions = mark;

  const auto manufacturer_serial = randomness.serial("manufacturer");
  crypto::CertificateRequest manufacturer{};
  manufacturer.issuer = root_name;
  manufacturer.subject = {kManufacturerName, {}, unit_of(options.purpose)};
  manufacturer.serial = manufacturer_serial;
  manufacturer.validity = {options.not_before, options.not_before + kManufacturerLifetime};
  manufacturer.kind = crypto::CertificateKind::kAuthority;
  manufacturer.path_length = 2;
  manufacturer.subject_key = manufacturer_key.pair.public_key();

  const Path& folder = options.folder;
  write_text(folder / "root.pem", certificate_pem(issue(root, root_key)), Secrecy::kPublic);
  write_text(folder / "manufacturer.pem", certificate_pem(issue(manufacturer, root_key)), Secrecy::kPublic);
  write_text(folder / "firmware-signing-public.pem", public_key_pem(firmware_key.pair.public_key()), Secrecy::kPublic);
  write_text(folder / "root-key.pem", private_key_pem(root_key), Secrecy::kSecret);
  write_text(folder / "manufacturer-key.pem", private_key_pem(manufacturer_key), Secrecy::kSecret);
  write_text(folder / "firmware-signing-key.pem", private_key_pem(firmware_key), Secrecy::kSecret);
}

Root read_root(const Path& folder) {
  Root root{};
  root.manufacturer_key = read_private_key(folder / "manufacturer-key.pem");
  root.root_certificate = read_certificate_der(folder / "root.pem");
  root.manufacturer_certificate = read_certificate_der(folder / "manufacturer.pem");
  root.firmware_signer = read_public_key(folder / "firmware-signing-public.pem");

  const auto anchor = view_of(root.root_certificate, folder / "root.pem");
  const auto manufacturer = view_of(root.manufacturer_certificate, folder / "manufacturer.pem");
  if (!crypto::verify_issued_by(manufacturer, anchor).ok()) {
    throw ProvisionError((folder / "manufacturer.pem").string() + ": not issued by root.pem beside it");
  }
  if (!certifies(manufacturer, root.manufacturer_key.pair.public_key())) {
    throw ProvisionError((folder / "manufacturer-key.pem").string() + ": not the key that manufacturer.pem certifies");
  }
  const bool marked = crypto::find_extension(anchor, kDevelopmentOid).ok();
  if (marked != (anchor.subject_organizational_unit == kDevelopmentUnit)) {
    throw ProvisionError((folder / "root.pem").string() + ": half marked as a development root");
  }
  root.purpose = marked ? Purpose::kDevelopment : Purpose::kProduction;
  root.manufacturer_not_after = manufacturer.not_after;
  return root;
}

}  // namespace provision
