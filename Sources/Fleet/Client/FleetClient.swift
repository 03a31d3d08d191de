// SPDX-License-Identifier: Apache-2.0

package import Foundation
import Glibc
import StableDiffusion
import Studies
import Synchronization
import WireMessages
package import ZeroMQ

/// Asks a coordinator, for the command line.
///
/// Each question is a conversation of its own and waits for its answer.
package struct FleetClient: Sendable {
    package var endpoint: Endpoint
    /// Other addresses of the same coordinator, for when it does not answer there.
    package var alternatives: [Endpoint] = []
    /// Keys and the coordinator's key; `.none` for a coordinator that runs without.
    package var security: SocketSecurity
    /// How long to look for the coordinator, and then how long to wait for its answer.
    package var connectTimeout: Duration
    package var replyTimeout: Duration
    package var program: String

    package init(
        _ endpoint: Endpoint, security: SocketSecurity = .none, program: String = "pseudoword", connectTimeout: Duration = .seconds(3),
        replyTimeout: Duration = .seconds(15)
    ) {
        self.endpoint = endpoint
        self.security = security
        self.program = program
        self.connectTimeout = connectTimeout
        self.replyTimeout = replyTimeout
    }

    /// The state of the fleet, or of it and one study by name or number.
    ///
    /// - Throws: `FleetError`: `.unreachable`, `.refused`, `.notFound`.
    package func status(study: String? = nil, allTrials: Bool = false) throws(FleetError) -> FleetStatus {
        var request = WireStatusRequest()
        if let study { request.study = study }
        request.allTrials = allTrials
        var status = try status(request)
        for index in status.studies.indices {
            while let next = status.studies[index].nextTrial {
                (request.study, request.allTrials, request.fromTrial) = (status.studies[index].id, true, UInt32(clamping: next))
                guard let more = try self.status(request).studies.first, more.trials.first?.index == next else { break }
                status.studies[index].trials += more.trials
                status.studies[index].nextTrial = more.nextTrial
            }
        }
        return status
    }

    /// One message's worth.
    private func status(_ request: WireStatusRequest) throws(FleetError) -> FleetStatus {
        guard case .statusReply(let reply) = try ask(.statusRequest(request)) else { throw unexpected }
        return FleetStatus(reply)
    }

    /// Gives a command.
    ///
    /// - Throws: `FleetError`: `.notFound`, `.refused` (it takes an admin's key), `.unreachable`.
    package func command(
        _ kind: FleetCommandKind, _ target: String, trial: Int? = nil, priority: Int = 0
    ) throws(FleetError) -> CommandOutcome {
        guard case .commandReply(let reply) = try ask(.command(WireCommand(kind, target, trial: trial, priority: priority))) else {
            throw unexpected
        }
        return CommandOutcome(reply)
    }

    /// Why a trial or a worker is where it is.
    package func explain(_ target: String, trial: Int? = nil) throws(FleetError) -> [String] {
        var request = WireExplainRequest()
        request.target = target
        if let trial { request.trial = UInt32(clamping: trial) }
        guard case .explainReply(let reply) = try ask(.explainRequest(request)) else { throw unexpected }
        return reply.lines
    }

    /// What happened lately, the newest last.
    package func log(target: String = "", after number: Int64 = 0, limit: Int) throws(FleetError) -> [LogEntry] {
        var request = WireLogRequest()
        request.target = target
        request.after = UInt64(clamping: number)
        request.limit = UInt32(clamping: limit)
        guard case .logReply(let reply) = try ask(.logRequest(request)) else { throw unexpected }
        return reply.entries.map(LogEntry.init)
    }

    /// A trial's checkpoint file; of the best trial if none is named.
    package func checkpoint(study: String, trial: Int?) throws(FleetError) -> (trial: Int, file: Data) {
        var request = WireCheckpointRequest()
        request.study = study
        if let trial { request.trial = UInt32(clamping: trial) }
        guard case .checkpointReply(let reply) = try ask(.checkpointRequest(request)) else { throw unexpected }
        return (Int(reply.trial), reply.file)
    }

    /// All addresses of the coordinator, the most likely one first.
    var endpoints: [Endpoint] { [endpoint] + alternatives.filter { $0 != endpoint } }

    var shownEndpoints: String { endpoints.map(\.description).joined(separator: ", ") }

    var socketOptions: SocketOptions {
        var options = SocketOptions()
        options.security = security
        // All that may still be unsent at the end is a goodbye.
        options.linger = .milliseconds(20)
        // Each address gets its turn before the client gives up.
        let ways = endpoints.reduce(0) { $0 + ($1.isHostName ? 2 : 1) }
        if ways > 1 { options.connectTimeout = min(options.connectTimeout, connectTimeout / ways) }
        return options
    }

    var unexpected: FleetError {
        FleetError(
            .protocolMismatch, "the coordinator at \(endpoint) gave an answer to another question; install the same release on both sides")
    }

    /// One question and its answer.
    func ask(_ question: WireEnvelope.OneOf_Payload) throws(FleetError) -> WireEnvelope.OneOf_Payload {
        do {
            _ = try WireCodec.encode(WireEnvelope(question, requestID: 1))
        } catch {
            throw FleetError(.invalid, error.message)
        }
        return try converse(question).answer
    }

    /// The port at which the coordinator serves blobs.
    func blobEndpoint() throws(FleetError) -> Endpoint {
        let (welcome, _, place) = try converse(nil)
        guard welcome.blobPort > 0, let endpoint = try? Endpoint(host: place.host, port: UInt16(clamping: welcome.blobPort)) else {
            throw FleetError(.protocolMismatch, "the coordinator at \(place) serves no blobs")
        }
        return endpoint
    }

    /// - Parameter question: nil to only say hello; the answer is then empty.
    func converse(_ question: WireEnvelope.OneOf_Payload?) throws(FleetError) -> AnswerBox.Answer {
        let answer = AnswerBox()
        let client = self
        let loop = SocketLoop<ClientHandler>(name: "client", tickInterval: .milliseconds(50)) { context in
            try ClientHandler(client, question, answer, &context)
        }
        do {
            try loop.start()
        } catch {
            throw FleetError(.unreachable, "\(error)")
        }
        answer.ready.wait()
        loop.stop()
        switch answer.result.withLock({ $0 }) {
        case .success(let payload): return payload
        case .failure(let error): throw error
        case nil: throw FleetError(.internal, "the client's thread ended without an answer")
        }
    }
}
