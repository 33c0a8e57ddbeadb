#include "tools/cofferdam/chain.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "tools/cofferdam/document.hpp"

namespace cofferdam {
namespace {

constexpr std::array<std::string_view, 10> kUnderstood{
    "2.5.29.14",     // subjectKeyIdentifier
    "2.5.29.15",     // keyUsage
    "2.5.29.17",     // subjectAltName
    "2.5.29.19",     // basicConstraints
    "2.5.29.31",     // cRLDistributionPoints: none is fetched
    "2.5.29.35",     // authorityKeyIdentifier
    "2.5.29.37",     // extKeyUsage
    "2.23.133.5.4.1",  // TCG DICE TcbInfo: shown
    "2.25.105861246720202449842858039960419476762",  // Cofferdam PlatformState: shown, and compared with the logs
    "2.999.1.1",       // Cofferdam's mark of a development identity
};

std::string named(const Certificate& certificate, std::size_t position, std::size_t count) {
  const std::string place = position == 0           ? "the root"
                            : position + 1 == count ? "the leaf"
                                                    : "certificate " + std::to_string(position);
  return place + " (" + certificate.subject + ")";
}

// The key's length is fixed (P-384, uncompressed), so that key and certificate can't be cut in two ways.
Digest256 link_of(const Certificate& certificate, const PublicKey& issuer) {
  Bytes both = issuer.point;
  both.insert(both.end(), certificate.der.begin(), certificate.der.end());
  return sha256(both);
}

bool signature_holds(const Certificate& certificate, const PublicKey& issuer, SignatureMemory* memory) {
  if (memory == nullptr) return is_signed_by(certificate, issuer);
  const Digest256 link = link_of(certificate, issuer);
  if (memory->knows(link)) return true;
  if (!is_signed_by(certificate, issuer)) return false;
  memory->keep(link, certificate.not_after);
  return true;
}

}  // namespace

std::string_view code_of(Reason reason) {
  switch (reason) {
    case Reason::kEncoding: return "encoding";
    case Reason::kAlgorithm: return "algorithm";
    case Reason::kPayload: return "payload";
    case Reason::kRoot: return "root";
    case Reason::kChain: return "chain";
    case Reason::kValidity: return "validity";
    case Reason::kSignature: return "signature";
    case Reason::kDevelopment: return "development";
    case Reason::kDebug: return "debug";
    case Reason::kPcr: return "pcr";
    case Reason::kNonce: return "nonce";
    case Reason::kAge: return "age";
    case Reason::kPlatform: return "platform";
    case Reason::kEventLog: return "event-log";
    case Reason::kLedger: return "ledger";
  }
  return "unknown";
}

bool TrustAnchors::accepts(ByteView root) const {
  if ((roots.empty() || also_aws) && to_hex(sha256(root)) == kAwsRootFingerprint) return true;
  return std::any_of(roots.begin(), roots.end(), [&](const Bytes& accepted) { return equal(accepted, root); });
}

bool is_understood(std::string_view oid) {
  return std::find(kUnderstood.begin(), kUnderstood.end(), oid) != kUnderstood.end();
}

std::vector<Certificate> parse_chain(const std::vector<Bytes>& cabundle, ByteView leaf) {
  std::vector<Certificate> chain;
  const auto add = [&](ByteView der, const std::string& what) {
    try {
      chain.push_back(parse_certificate(der));
    } catch (const CryptoError& error) {
      throw Refusal(Reason::kChain, what + ": " + error.what());
    }
  };
  for (std::size_t i = 0; i < cabundle.size(); ++i) add(cabundle[i], "cabundle[" + std::to_string(i) + "]");
  add(leaf, "certificate");
  return chain;
}

void check_chain(const std::vector<Certificate>& chain, const TrustAnchors& anchors, std::int64_t time,
                 SignatureMemory* memory) {
  const std::size_t count = chain.size();
  if (count < 2 || count > kMaxCertificates) throw Refusal(Reason::kChain, "a chain of 2 to 10 certificates is needed");
  if (!anchors.accepts(chain[0].der)) {
    throw Refusal(Reason::kRoot, "the chain's root is not " +
                                     std::string(anchors.roots.empty() ? "AWS's Nitro Enclaves root G1"
                                                                       : "among those of --root") +
                                     ": it is " + chain[0].subject + ", SHA-256 " + to_hex(sha256(chain[0].der)));
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Certificate& certificate = chain[i];
    const bool leaf = i + 1 == count;
    const auto refuse = [&](const std::string& what) {
      throw Refusal(Reason::kChain, named(certificate, i, count) + " " + what);
    };
    if (certificate.version != 3) refuse("is not X.509 version 3");
    if (certificate.key.curve != Curve::kP384) refuse("has a key that is not P-384");
    if (certificate.signature_algorithm != "ecdsa-with-SHA384") refuse("is not signed with ecdsa-with-SHA384");
    for (const Extension& extension : certificate.extensions) {
      if (extension.critical && !is_understood(extension.oid)) {
        refuse("has the critical extension " + extension.oid + ", which is not understood");
      }
    }
    if (leaf) {
      if (certificate.basic_constraints && certificate.basic_constraints->ca) refuse("says that it is an authority");
      if (certificate.basic_constraints && certificate.basic_constraints->path_length) refuse("has a path length");
      if (!certificate.key_usage || (*certificate.key_usage & kDigitalSignature) == 0) {
        refuse("may not sign documents (keyUsage without digitalSignature)");
      }
    } else {
      if (!certificate.basic_constraints || !certificate.basic_constraints->ca) refuse("is not an authority");
      if (!certificate.basic_constraints->critical) refuse("has basicConstraints that are not critical");
      if (!certificate.key_usage || (*certificate.key_usage & kKeyCertSign) == 0) {
        refuse("may not sign certificates (keyUsage without keyCertSign)");
      }
      const std::size_t authorities_below = count - 2 - i;
      if (certificate.basic_constraints->path_length &&
          static_cast<std::size_t>(*certificate.basic_constraints->path_length) < authorities_below) {
        refuse("allows a path of " + std::to_string(*certificate.basic_constraints->path_length) +
               " authorities below it, there are " + std::to_string(authorities_below));
      }
    }
    const Certificate& issuer = chain[i == 0 ? 0 : i - 1];
    if (!equal(certificate.issuer_raw, issuer.subject_raw)) refuse("names another issuer: " + certificate.issuer);
    if (!signature_holds(certificate, issuer.key, memory)) refuse("is not signed by " + issuer.subject);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Certificate& certificate = chain[i];
    if (time < certificate.not_before || time > certificate.not_after) {
      throw Refusal(Reason::kValidity, named(certificate, i, count) + " is valid from " +
                                           format_time(certificate.not_before) + " to " +
                                           format_time(certificate.not_after) + ", the time of the check is " +
                                           format_time(time));
    }
  }
}

std::string format_time(std::int64_t seconds) {
  const std::chrono::sys_seconds time{std::chrono::seconds{seconds}};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text.data();
}

}  // namespace cofferdam
