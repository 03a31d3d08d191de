// SPDX-License-Identifier: Apache-2.0
import Foundation
import ZeroMQ

/// The client's conversation with a server, on the thread that owns the socket.
///
/// It says hello, passes requests on, and brings each answer to the transfer that asked.
struct BlobClientHandler: LoopHandler {
    private enum Phase {
        case down(BlobError)
        case greeting(UInt64, since: ContinuousClock.Instant)
        case ready(BlobWelcome)
    }

    /// How long a hello may go without an answer.
    private static let helloTimeout: Duration = .seconds(5)
    /// An honest server has a smaller window.
    private static let maximumOutbox = 1024

    let options: BlobClientOptions
    let socket: SocketID
    private var phase: Phase
    private var hellos: UInt64 = 0
    private var inboxes: [ObjectIdentifier: BlobInbox] = [:]
    private var routes: [UInt64: BlobInbox] = [:]
    /// What could not be sent at once, in order.
    private var outbox: [[Data]] = []

    init(_ endpoint: Endpoint, _ options: BlobClientOptions, _ context: inout LoopContext) throws {
        self.options = options
        phase = .down(BlobError(.unreachable, "not connected to \(endpoint) yet"))
        socket = try context.connect(endpoint, options: options.socket)
    }

    mutating func handle(_ event: LoopEvent, in context: inout LoopContext) {
        switch event {
        case .connected: sayHello(&context)
        case .disconnected: lose("the connection to the blob server was lost")
        case .retrying(_, let cause, let reason): lose(reason, cause == .refused ? .refused : .unreachable)
        case .message(_, _, let frames): take(frames, &context)
        case .malformed(_, _, let reason): violate(reason, &context)
        case .tick: tick(&context)
        case .stopping: broadcast(.failed(BlobError(.cancelled, "the blob client was stopped")))
        case .refused, .handshakesFailed, .crowded: break
        }
    }

    // MARK: Asked by transfers

    mutating func join(_ inbox: BlobInbox) {
        inboxes[ObjectIdentifier(inbox)] = inbox
        switch phase {
        case .ready(let welcome): inbox.put(.ready(welcome))
        case .down(let reason): inbox.put(.lost(reason))
        case .greeting: break
        }
    }

    mutating func leave(_ inbox: BlobInbox) {
        inboxes[ObjectIdentifier(inbox)] = nil
        routes = routes.filter { $0.value !== inbox }
    }

    /// Sends if there is a conversation; else the transfer hears of a new one anyway and asks again.
    mutating func ask(_ request: BlobRequest, _ id: UInt64, _ inbox: BlobInbox, _ context: inout LoopContext) {
        guard case .ready = phase, inboxes[ObjectIdentifier(inbox)] != nil else { return }
        switch request {
        case .putAbort: routes[id] = nil
        case .putData: break
        default: routes[id] = inbox
        }
        guard outbox.count < Self.maximumOutbox else { return violate("it asks faster than it takes", &context) }
        outbox.append(BlobCodec.encode(request, id: id))
        flush(&context)
    }

    /// Gives up a connection on which nothing comes any more.
    mutating func reconnect(_ reason: String, _ context: inout LoopContext) {
        lose(reason)
        context.reopen(socket)
    }

    // MARK: Conversation

    private mutating func sayHello(_ context: inout LoopContext) {
        // Numbers of transfers start where those of hellos never come.
        hellos += 1
        phase = .greeting(hellos, since: context.now)
        let (major, minor) = BlobLimits.version
        outbox = [BlobCodec.encode(.hello(major: major, minor: minor, program: options.program), id: hellos)]
        flush(&context)
    }

    private mutating func take(_ frames: [Data], _ context: inout LoopContext) {
        let (id, reply): (UInt64, BlobReply)
        do throws(BlobMessageError) {
            (id, reply) = try BlobCodec.decodeReply(frames)
        } catch {
            return violate(error.message, &context)
        }
        if case .greeting(id, _) = phase { return greeted(reply, &context) }
        guard case .ready = phase else { return }
        if case .error(.helloRequired, _) = reply {
            lose("the blob server was restarted")
            return sayHello(&context)
        }
        guard let inbox = routes[id] else { return }
        switch reply {
        case .wait, .pull: break
        default: routes[id] = nil
        }
        inbox.put(.reply(id, reply))
    }

    private mutating func greeted(_ reply: BlobReply, _ context: inout LoopContext) {
        switch reply {
        case .welcome(let welcome):
            phase = .ready(welcome)
            broadcast(.ready(welcome))
        case .error(let fault, let message) where [.version, .forbidden].contains(fault):
            lose(message)
            broadcast(.failed(fault.error(message)))
        case .error(_, let message): lose(message)
        default: violate("a hello was not answered by a welcome", &context)
        }
    }

    private mutating func violate(_ reason: String, _ context: inout LoopContext) {
        reconnect("the blob server breaks the rules: \(reason)", &context)
    }

    private mutating func lose(_ reason: String, _ code: BlobError.Code = .unreachable) {
        let error = BlobError(code, reason)
        phase = .down(error)
        routes = [:]
        outbox = []
        broadcast(.lost(error))
    }

    private mutating func tick(_ context: inout LoopContext) {
        if case .greeting(_, let since) = phase, context.now - since > Self.helloTimeout {
            reconnect("the blob server does not answer", &context)
        }
        if case .down = phase, context.isConnected(socket) { sayHello(&context) }
        flush(&context)
    }

    private mutating func flush(_ context: inout LoopContext) {
        while let frames = outbox.first {
            do throws(SocketError) {
                try context.send(frames, on: socket)
                outbox.removeFirst()
            } catch {
                if error.code == .wouldBlock { return }
                // The connection is gone, which the socket's own events will say; or the message can never be sent.
                outbox = []
            }
        }
    }

    private func broadcast(_ event: BlobInbox.Event) {
        for inbox in inboxes.values { inbox.put(event) }
    }
}
