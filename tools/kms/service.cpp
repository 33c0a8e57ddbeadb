#include "tools/kms/service.hpp"

#include <algorithm>
#include <cstdio>

#include "tools/kms/errors.hpp"
#include "tools/sigv4/sigv4.hpp"

namespace kms {
namespace {

constexpr std::string_view kTarget = "TrentService.";  // KMS's name in its own protocol
constexpr std::string_view kContentType = "application/x-amz-json-1.1";
constexpr int kMostAttempts = 8;                // of a change whose record others change at the same time
constexpr unsigned kMostUnknownPerSecond = 10;  // refusals of unknown callers in the audit log: they may not fill the disk

KmsError authentication_error(const sigv4::Verdict& verdict) {
  switch (*verdict.fault) {
    case sigv4::Fault::kMissing: return {ErrorName::kMissingAuthenticationToken, "Missing Authentication Token"};
    case sigv4::Fault::kMalformed: return {ErrorName::kIncompleteSignature, verdict.message};
    case sigv4::Fault::kUnknownKey:
      return {ErrorName::kUnrecognizedClient, "The security token included in the request is invalid."};
    case sigv4::Fault::kScope:
    case sigv4::Fault::kSkew:
    case sigv4::Fault::kMismatch: return {ErrorName::kInvalidSignature, verdict.message};
  }
  return {ErrorName::kInvalidSignature, verdict.message};
}

https::Response response_of(int status, const Json& body, const std::string& request_id) {
  https::Response response;
  response.status = status;
  response.content_type = kContentType;
  response.headers.emplace_back("x-amzn-RequestId", request_id);
  response.body = body.is_null() ? std::string() : body.dump();
  return response;
}

https::Response response_of(const KmsError& error, const std::string& request_id) {
  // A message may quote the request: what isn't UTF-8 there is replaced.
  const Json body = {{"__type", name_of(error.name())}, {"message", error.what()}};
  https::Response response = response_of(status_of(error.name()), nullptr, request_id);
  response.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  return response;
}

// The operation is in a header: one that isn't signed could be put there by anybody. The check of the signature has read the list.
bool signs_the_target(const https::Request& request) {
  constexpr std::string_view kList = "SignedHeaders=";
  std::string_view names = request.header("authorization").value_or("");
  names = names.substr(std::min(names.find(kList), names.size()));
  names = names.substr(std::min(kList.size(), names.size()));
  const std::string list = ";" + std::string(names.substr(0, names.find_first_of(", "))) + ";";
  return list.find(";x-amz-target;") != std::string::npos;
}

std::string operation_of(const https::Request& request) {
  const std::string_view target = request.header("x-amz-target").value_or("");
  if (request.method != "POST" || !target.starts_with(kTarget)) {
    throw KmsError(ErrorName::kUnknownOperation, "the request is no POST with X-Amz-Target: TrentService.OPERATION");
  }
  return std::string(target.substr(kTarget.size()));
}

}  // namespace

https::Response Service::answer(const https::Request& request) {
  std::string request_id = "00000000-0000-0000-0000-000000000000";
  try {
    request_id = new_uuid();
    const Json body = perform(request, request_id);
    // Operations that answer nothing have an empty body.
    return response_of(200, body.empty() ? Json() : body, request_id);
  } catch (const KmsError& error) {
    return response_of(error, request_id);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cofferdam-kms: request %s: %s\n", request_id.c_str(), error.what());
  }
  return response_of(KmsError(ErrorName::kInternal, "The request could not be served; the service's log has the cause under its request ID."),
                     request_id);
}

void Service::note_unauthenticated(const std::string& request_id, std::string_view error) {
  const std::int64_t now = std::chrono::floor<std::chrono::seconds>(parts_.clock()).time_since_epoch().count();
  if (second_.exchange(now) != now) in_that_second_ = 0;
  if (in_that_second_.fetch_add(1) >= kMostUnknownPerSecond) return;
  AuditEvent event;
  event.operation = "Authenticate";
  event.outcome = error;
  event.request = request_id;
  parts_.store.append_audit(event);
}

Json Service::perform(const https::Request& request, const std::string& request_id) {
  const std::shared_ptr<const Credentials> credentials = principals_.current();
  const Time now = parts_.clock();
  sigv4::Check check;
  check.service = "kms";
  check.region = parts_.place.region;
  check.time = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  check.secret_of = [&](std::string_view id) -> std::optional<std::string> {
    const auto found = credentials->by_access_key_id.find(id);
    if (found == credentials->by_access_key_id.end()) return std::nullopt;
    return found->second.secret;
  };
  const sigv4::Verdict verdict = sigv4::verify(request, check);
  if (verdict.fault) {
    const KmsError error = authentication_error(verdict);
    note_unauthenticated(request_id, name_of(error.name()));
    throw error;
  }
  const Principal& caller = *credentials->by_access_key_id.find(verdict.access_key_id)->second.principal;
  if (request.header("x-amz-target") && !signs_the_target(request)) {
    throw KmsError(ErrorName::kIncompleteSignature, "the header x-amz-target isn't signed");
  }
  const std::string operation = operation_of(request);
  const Handler handler = find_operation(operation);
  if (handler == nullptr) {
    throw KmsError(ErrorName::kUnknownOperation, "there is no operation " + operation.substr(0, 64) + " in this service");
  }

  const Fields fields(request.body);
  for (int attempt = 1;; ++attempt) {
    Call call{parts_, fields, caller, operation, request_id, attempt == 1 ? now : parts_.clock()};
    call.event.principal = caller.arn;
    call.event.operation = operation;
    call.event.outcome = "Success";
    call.event.request = request_id;
    try {
      return perform_once(handler, call);
    } catch (const Outdated&) {
      if (attempt == kMostAttempts) {
        const KmsError error(ErrorName::kInternal, "What the request is about was changed by others each time: nothing was done. Retry it.");
        call.event.outcome = name_of(error.name());
        parts_.store.append_audit(call.event);
        throw error;
      }
    }
  }
}

Json Service::perform_once(Handler handler, Call& call) {
  try {
    Json answer = handler(call);
    // Before the answer leaves: what isn't in the log didn't happen.
    if (!call.in_the_log) parts_.store.append_audit(call.event);
    return answer;
  } catch (const Outdated&) {
    throw;  // no answer yet
  } catch (const KmsError& error) {
    if (!call.in_the_log) {
      call.event.outcome = name_of(error.name());
      parts_.store.append_audit(call.event);
    }
    throw;
  } catch (...) {
    if (!call.in_the_log) {
      call.event.outcome = name_of(ErrorName::kInternal);
      parts_.store.append_audit(call.event);
    }
    throw;
  }
}

std::size_t delete_due_keys(Parts& parts) { return parts.store.delete_due_keys(parts.clock(), 100).size(); }

}  // namespace kms
