// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Synchronization
import WireMessages
import ZeroMQ

/// Where a conversation leaves its one answer.
final class AnswerBox: Sendable {
    typealias Answer = (welcome: WireWelcome, answer: WireEnvelope.OneOf_Payload, endpoint: Endpoint)

    let ready = DispatchSemaphore(value: 0)
    let result = Mutex<Result<Answer, FleetError>?>(nil)

    func fill(_ value: Result<Answer, FleetError>) {
        let isFirst = result.withLock { result in
            defer { result = result ?? value }
            return result == nil
        }
        if isFirst { ready.signal() }
    }
}

/// One question: hello, welcome, question, answer, goodbye.
struct ClientHandler: LoopHandler {
    let client: FleetClient
    let question: WireEnvelope.OneOf_Payload?
    let answer: AnswerBox
    let socket: SocketID
    var deadline: ContinuousClock.Instant
    var welcome: WireWelcome?
    var lastReason = "nobody answers"

    init(_ client: FleetClient, _ question: WireEnvelope.OneOf_Payload?, _ answer: AnswerBox, _ context: inout LoopContext) throws {
        self.client = client
        self.question = question
        self.answer = answer
        socket = try context.connect(client.endpoints, options: client.socketOptions)
        deadline = context.now + client.connectTimeout
    }

    mutating func handle(_ event: LoopEvent, in context: inout LoopContext) {
        switch event {
        case .connected:
            welcome = nil
            // The bearer of a token names its key before it is anybody.
            if isJoin { ask(&context) } else { send(.hello(hello), &context) }
        case .retrying(_, .refused, let reason): end(FleetError(.refused, reason))
        case .retrying(_, .stranger, let reason): lastReason = reason
        case .retrying(_, _, let reason): lastReason = reason
        case .message(_, _, let frames): receive(frames, &context)
        case .tick where context.now > deadline:
            let reason = welcome != nil ? "it does not answer" : lastReason
            end(FleetError(.unreachable, "no coordinator at \(client.shownEndpoints): \(reason); start one with pseudoword coordinator"))
        case .stopping:
            end(FleetError(.unreachable, "the conversation with \(client.endpoint) was broken off"))
            // Without it the coordinator would keep the conversation until it has been silent for long.
            if welcome != nil { send(.goodbye(WireGoodbye()), &context) }
        case .tick, .disconnected, .malformed, .refused, .handshakesFailed, .crowded: break
        }
    }

    private var isJoin: Bool { if case .join? = question { true } else { false } }

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
            case .welcome(let welcome):
                self.welcome = welcome
                ask(&context)
            case .joined(let joined): fill(.joined(joined), &context)
            case .denied(let denied):
                let isMismatch = denied.code == .version || denied.code == .invalid
                end(FleetError(isMismatch ? .protocolMismatch : .refused, denied.reason))
            case .errorReply(let reply):
                // The command line is not at fault where the coordinator does not take the hello.
                let isMismatch = reply.code == .invalid && welcome == nil && !isJoin
                end(isMismatch ? FleetError(.protocolMismatch, reply.message) : FleetError(reply))
            case .goodbye: end(FleetError(.unreachable, "the coordinator at \(client.endpoint) is stopping"))
            case .some(let payload): if welcome != nil { fill(payload, &context) }
            default: break
            }
        } catch {
            end(FleetError(.protocolMismatch, "the answer of \(client.endpoint) cannot be read: \(error)"))
        }
    }

    private mutating func ask(_ context: inout LoopContext) {
        deadline = context.now + client.replyTimeout
        if let question {
            send(question, &context)
        } else {
            fill(.goodbye(WireGoodbye()), &context)
        }
    }

    private func fill(_ payload: WireEnvelope.OneOf_Payload, _ context: inout LoopContext) {
        answer.fill(.success((welcome ?? WireWelcome(), payload, context.endpoint(of: socket) ?? client.endpoint)))
    }

    private mutating func send(_ payload: WireEnvelope.OneOf_Payload, _ context: inout LoopContext) {
        do {
            try context.send(try WireCodec.encode(WireEnvelope(payload, requestID: welcome != nil ? 2 : 1)), on: socket)
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
