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
        case .join(let join): try join.validate(FieldChecks(kind: .join))
        case .joined: break
        case .trainGrant(let grant): try grant.validate(FieldChecks(kind: .trainGrant))
        case .sliceGrant(let grant): try grant.validate(FieldChecks(kind: .sliceGrant))
        case .pieceGrant(let grant): try grant.validate(FieldChecks(kind: .pieceGrant))
        case .briefRequest(let request): try FieldChecks(kind: .briefRequest).digest(request.brief, "brief")
        case .briefReply(let reply): try reply.validate(FieldChecks(kind: .briefReply))
        case .segmentResult(let result): try result.validate(FieldChecks(kind: .segmentResult))
        case .sliceResult(let result): try result.validate(FieldChecks(kind: .sliceResult))
        case .pieceResult(let result): try result.validate(FieldChecks(kind: .pieceResult))
        case .resultAck(let ack): try ack.validate(FieldChecks(kind: .resultAck))
        case .leaseFailed(let failure): try failure.validate(FieldChecks(kind: .leaseFailed))
        case .failureAck(let ack): try FieldChecks(kind: .failureAck).lease(ack.lease)
        case .cancelLease(let cancel): try cancel.validate(FieldChecks(kind: .cancelLease))
        case .submitStudy(let submission): try submission.validate(FieldChecks(kind: .submitStudy))
        case .submitReply(let reply): try reply.validate(FieldChecks(kind: .submitReply))
        case .statusRequest(let request):
            if request.hasStudy { try FieldChecks(kind: .statusRequest).text(request.study, "study", WireLimits.nameBytes) }
        case .statusReply(let reply): try reply.validate(FieldChecks(kind: .statusReply))
        case .command(let command): try command.validate(FieldChecks(kind: .command))
        case .commandReply(let reply): try reply.validate(FieldChecks(kind: .commandReply))
        case .explainRequest(let request): try FieldChecks(kind: .explainRequest).text(request.target, "target", WireLimits.nameBytes)
        case .explainReply(let reply):
            for line in reply.lines { try FieldChecks(kind: .explainReply).text(line, "lines", WireLimits.lineBytes, canBeEmpty: true) }
        case .logRequest(let request):
            try FieldChecks(kind: .logRequest).text(request.target, "target", WireLimits.nameBytes, canBeEmpty: true)
        case .logReply(let reply): try reply.validate(FieldChecks(kind: .logReply))
        case .checkpointRequest(let request): try FieldChecks(kind: .checkpointRequest).text(request.study, "study", WireLimits.nameBytes)
        case .checkpointReply(let reply):
            try FieldChecks(kind: .checkpointReply).require(!reply.file.isEmpty, "file", "is empty")
        case .keysRequest(let request): try request.validate(FieldChecks(kind: .keysRequest))
        case .keysReply(let reply): try reply.validate(FieldChecks(kind: .keysReply))
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
        try check.text(cpu, "cpu", WireLimits.nameBytes, canBeEmpty: role != .worker)
        try check.text(numericsClass, "numerics_class", WireLimits.identifierBytes, canBeEmpty: true)
        try check.require(threads > 0 || role != .worker, "threads", "is 0")
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
        try check.require(blobPort <= 65_535, "blob_port", "is \(blobPort)")
        try check.text(coordinatorRun, "coordinator_run", WireLimits.identifierBytes, canBeEmpty: true)
        try check.require(roles.count <= 16, "roles", "are \(roles.count)")
    }
}

extension WireJoin {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.digest(publicKey, "public_key")
        try check.text(name, "name", WireLimits.nameBytes)
        try check.text(host, "host", WireLimits.nameBytes)
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
        try check.require(
            progress.count <= WireLimits.leases, "progress", "lists \(progress.count) leases; at most \(WireLimits.leases) are allowed")
        for held in progress {
            try check.lease(held.lease)
            try check.notNegative(held.stepsPerSecond, "steps_per_second")
            if held.hasLoss { try check.finite(held.loss, "loss") }
            if held.hasEvaluationLoss { try check.finite(held.evaluationLoss, "evaluation_loss") }
            try check.text(held.preparing, "preparing", WireLimits.lineBytes, canBeEmpty: true)
        }
    }
}

extension WireErrorReply {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.require(code.rawValue != 0, "code", "is missing")
        try check.text(message, "message", WireLimits.lineBytes)
    }
}
