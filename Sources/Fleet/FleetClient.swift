// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Synchronization
import WireMessages
package import ZeroMQ

/// Asks a coordinator, for the command line.
///
/// Each question is a conversation of its own and waits for its answer.
package struct FleetClient: Sendable {
    package var endpoint: Endpoint
    /// How long to look for the coordinator, and then how long to wait for its answer.
    package var connectTimeout: Duration
    package var replyTimeout: Duration
    package var program: String

    package init(
        _ endpoint: Endpoint, program: String = "pseudoword", connectTimeout: Duration = .seconds(3), replyTimeout: Duration = .seconds(15)
    ) {
        self.endpoint = endpoint
        self.program = program
        self.connectTimeout = connectTimeout
        self.replyTimeout = replyTimeout
    }

    /// The state of the fleet, or of it and one study by name or number.
    ///
    /// - Throws: `FleetError`: `.unreachable`, `.refused`, `.notFound`.
    package func status(study: String? = nil) throws(FleetError) -> FleetStatus {
        var request = WireStatusRequest()
        if let study { request.study = study }
        guard case .statusReply(let reply) = try ask(.statusRequest(request)) else { throw unexpected }
        return FleetStatus(reply)
    }

    /// Submits a study file's text; relative paths in it start from `baseFolder`.
    ///
    /// - Throws: `FleetError`: `.invalid` if the study is refused, `.unreachable`, `.refused`.
    package func submit(yaml: String, baseFolder: String, source: String) throws(FleetError) -> Submission {
        var request = WireSubmitStudy()
        request.yaml = yaml
        request.baseFolder = baseFolder
        request.sourcePath = source
        guard case .submitReply(let reply) = try ask(.submitStudy(request)) else { throw unexpected }
        guard reply.outcome != .refused else { throw FleetError(.invalid, reply.message) }
        return Submission(id: reply.studyID, name: reply.name, isAlreadyThere: reply.outcome == .alreadyThere)
    }

    /// Cancels a study by name or number.
    ///
    /// - Throws: `FleetError`: `.notFound`, `.unreachable`, `.refused`.
    package func cancel(study: String) throws(FleetError) -> Cancellation {
        var request = WireCancelStudy()
        request.name = study
        guard case .cancelReply(let reply) = try ask(.cancelStudy(request)) else { throw unexpected }
        return Cancellation(
            id: reply.studyID, name: reply.name, hadEnded: reply.outcome == .alreadyEnded, cancelledTrials: Int(reply.cancelledTrials))
    }

    private var unexpected: FleetError {
        FleetError(
            .protocolMismatch, "the coordinator at \(endpoint) gave an answer to another question; install the same release on both sides")
    }

    private func ask(_ question: WireEnvelope.OneOf_Payload) throws(FleetError) -> WireEnvelope.OneOf_Payload {
        do {
            _ = try WireCodec.encode(WireEnvelope(question, requestID: 1))
        } catch {
            throw FleetError(.invalid, error.message)
        }
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

/// Where a conversation leaves its one answer.
private final class AnswerBox: Sendable {
    let ready = DispatchSemaphore(value: 0)
    let result = Mutex<Result<WireEnvelope.OneOf_Payload, FleetError>?>(nil)

    func fill(_ value: Result<WireEnvelope.OneOf_Payload, FleetError>) {
        let isFirst = result.withLock { result in
            defer { result = result ?? value }
            return result == nil
        }
        if isFirst { ready.signal() }
    }
}

/// One question: hello, welcome, question, answer.
private struct ClientHandler: LoopHandler {
    let client: FleetClient
    let question: WireEnvelope.OneOf_Payload
    let answer: AnswerBox
    let socket: SocketID
    var deadline: ContinuousClock.Instant
    var isJoined = false
    var lastReason = "nobody answers"

    init(_ client: FleetClient, _ question: WireEnvelope.OneOf_Payload, _ answer: AnswerBox, _ context: inout LoopContext) throws {
        self.client = client
        self.question = question
        self.answer = answer
        socket = try context.connect(client.endpoint)
        deadline = context.now + client.connectTimeout
    }

    mutating func handle(_ event: LoopEvent, in context: inout LoopContext) {
        switch event {
        case .connected:
            isJoined = false
            send(.hello(hello), &context)
        case .retrying(_, _, let reason): lastReason = reason
        case .message(_, _, let frames): receive(frames, &context)
        case .tick where context.now > deadline:
            let reason = isJoined ? "it does not answer" : lastReason
            end(FleetError(.unreachable, "no coordinator at \(client.endpoint): \(reason); start one with pseudoword coordinator"))
        case .stopping: end(FleetError(.unreachable, "the conversation with \(client.endpoint) was broken off"))
        case .tick, .disconnected, .malformed, .refused, .handshakesFailed, .crowded: break
        }
    }

    private var hello: WireHello {
        var hello = WireHello()
        hello.protocolMajor = WireVersion.current.major
        hello.protocolMinor = WireVersion.current.minor
        hello.role = .client
        hello.workerID = UUID().uuidString.lowercased()
        hello.name = "client-\(getpid())"
        hello.host = WireText.clipped(ProcessInfo.processInfo.hostName, limit: WireLimits.nameBytes)
        hello.pid = UInt32(clamping: getpid())
        hello.programVersion = WireText.clipped(client.program, limit: WireLimits.identifierBytes)
        return hello
    }

    private mutating func receive(_ frames: [Data], _ context: inout LoopContext) {
        do {
            let payload = try WireCodec.decode(frames, at: .peer).payload
            switch payload {
            case .welcome:
                isJoined = true
                deadline = context.now + client.replyTimeout
                send(question, &context)
            case .denied(let denied): end(FleetError(denied.code == .version ? .protocolMismatch : .refused, denied.reason))
            case .errorReply(let reply): end(FleetError(reply))
            case .goodbye: end(FleetError(.unreachable, "the coordinator at \(client.endpoint) is stopping"))
            case .some(let payload) where isJoined: answer.fill(.success(payload))
            default: break
            }
        } catch {
            end(FleetError(.protocolMismatch, "the answer of \(client.endpoint) cannot be read: \(error)"))
        }
    }

    private mutating func send(_ payload: WireEnvelope.OneOf_Payload, _ context: inout LoopContext) {
        do {
            try context.send(try WireCodec.encode(WireEnvelope(payload, requestID: isJoined ? 2 : 1)), on: socket)
        } catch let error as WireError {
            end(FleetError(.invalid, error.message))
        } catch {
            lastReason = "\(error)"
        }
    }

    private func end(_ error: FleetError) { answer.fill(.failure(error)) }
}

extension FleetError {
    fileprivate init(_ reply: WireErrorReply) {
        switch reply.code {
        case .notFound: self.init(.notFound, reply.message)
        case .refused: self.init(.refused, reply.message)
        case .invalid: self.init(.invalid, reply.message)
        case .unsupported: self.init(.protocolMismatch, reply.message)
        case .helloRequired, .internal, .unspecified, .UNRECOGNIZED: self.init(.internal, reply.message)
        }
    }
}
