// SPDX-License-Identifier: Apache-2.0
import Foundation

extension WireEnvelope {
    /// Checks every field of the payload.
    ///
    /// - Throws: `.invalid` with the field and the rule, `.unsupported` without a payload.
    package func validate() throws(WireError) {
        guard let payload else { throw WireError(.unsupported, "an envelope without a message") }
        switch payload {
        case .hello(let hello): try hello.validate(FieldChecks(kind: .hello))
        case .welcome(let welcome): try welcome.validate(FieldChecks(kind: .welcome))
        case .denied(let denied): try denied.validate(FieldChecks(kind: .denied))
        case .heartbeat(let heartbeat): try heartbeat.validate(FieldChecks(kind: .heartbeat))
        case .heartbeatReply: break
        case .drain(let drain): try FieldChecks(kind: .drain).text(drain.reason, "reason", WireLimits.lineBytes, canBeEmpty: true)
        case .goodbye(let goodbye):
            try FieldChecks(kind: .goodbye).text(goodbye.reason, "reason", WireLimits.lineBytes, canBeEmpty: true)
        case .grant(let grant): try grant.validate(FieldChecks(kind: .grant))
        case .segmentResult(let result): try result.validate(FieldChecks(kind: .segmentResult))
        case .resultAck(let ack): try ack.validate(FieldChecks(kind: .resultAck))
        case .leaseFailed(let failure): try failure.validate(FieldChecks(kind: .leaseFailed))
        case .failureAck(let ack): try FieldChecks(kind: .failureAck).lease(ack.leaseID, attempt: ack.attempt)
        case .cancelLease(let cancel): try cancel.validate(FieldChecks(kind: .cancelLease))
        case .submitStudy(let submission): try submission.validate(FieldChecks(kind: .submitStudy))
        case .submitReply(let reply): try reply.validate(FieldChecks(kind: .submitReply))
        case .statusRequest(let request):
            if request.hasStudy { try FieldChecks(kind: .statusRequest).text(request.study, "study", WireLimits.nameBytes) }
        case .statusReply(let reply): try reply.validate(FieldChecks(kind: .statusReply))
        case .cancelStudy(let cancel): try FieldChecks(kind: .cancelStudy).text(cancel.name, "name", WireLimits.nameBytes)
        case .cancelReply(let reply): try reply.validate(FieldChecks(kind: .cancelReply))
        case .errorReply(let reply): try reply.validate(FieldChecks(kind: .errorReply))
        }
    }
}

extension WireHello {
    package var version: WireVersion { WireVersion(protocolMajor, protocolMinor) }

    func validate(_ check: FieldChecks) throws(WireError) {
        try check.positive(protocolMajor, "protocol_major")
        // A hello of another major is only read to be refused; its other fields may mean something else.
        guard WireVersion.supported.contains(where: { $0.major == protocolMajor }) else { return }
        try check.known(role, "role")
        try check.uuid(workerID, "worker_id")
        try check.text(name, "name", WireLimits.nameBytes)
        try check.text(host, "host", WireLimits.nameBytes)
        try check.text(programVersion, "program_version", WireLimits.identifierBytes)
        try check.text(cpu, "cpu", WireLimits.nameBytes, canBeEmpty: role == .client)
        try check.require(threads > 0 || role == .client, "threads", "is 0")
        try check.require(threads <= WireLimits.threads, "threads", "is \(threads); at most \(WireLimits.threads) are allowed")
    }
}

extension WireWelcome {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.positive(version.major, "version")
        try check.text(programVersion, "program_version", WireLimits.identifierBytes)
        try check.positive(heartbeatIntervalMs, "heartbeat_interval_ms")
        try check.require(leaseTimeoutMs > heartbeatIntervalMs, "lease_timeout_ms", "is not longer than heartbeat_interval_ms")
        try check.text(session, "session", WireLimits.identifierBytes)
    }
}

extension WireDenied {
    func validate(_ check: FieldChecks) throws(WireError) {
        // A newer coordinator may have codes that we do not know; the reason still tells.
        try check.require(code.rawValue != 0, "code", "is missing")
        try check.text(reason, "reason", WireLimits.lineBytes)
        try check.require(supported.count <= 64, "supported", "lists \(supported.count) versions; at most 64 are allowed")
    }
}

extension WireHeartbeat {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.text(session, "session", WireLimits.identifierBytes)
        guard hasProgress else { return }
        try check.lease(progress.leaseID, attempt: progress.attempt)
        try check.notNegative(progress.stepsPerSecond, "steps_per_second")
        if progress.hasLoss { try check.finite(progress.loss, "loss") }
        if progress.hasEvaluationLoss { try check.finite(progress.evaluationLoss, "evaluation_loss") }
    }
}

extension WireErrorReply {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.require(code.rawValue != 0, "code", "is missing")
        try check.text(message, "message", WireLimits.lineBytes)
    }
}
