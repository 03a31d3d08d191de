// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Foundation

/// A libzmq socket, fenced: one thread, explicit close, never blocking.
///
/// libzmq aborts the whole process when two threads use a socket, so every call checks that it is on the thread that made it.
final class RawSocket {
    /// What came with a message, from whom it did not choose itself.
    struct Message {
        var frames: [Data] = []
        /// The authenticated key; nil where keys are not asked for.
        var key: CurvePublicKey?
        /// The descriptor of the connection; -1 if unknown, and possibly closed by now.
        var connection: Int32 = -1
    }

    enum Received {
        case nothing
        case message(Message)
        /// More frames than allowed; holds the first one.
        case tooManyFrames(Message)
    }

    /// Frames from this size on are handed over instead of copied.
    private static let largeFrame = 16 << 10

    private let owner = pthread_self()
    private var handle: UnsafeMutableRawPointer?

    /// Whether messages come with key and connection.
    private let readsOrigin: Bool

    init(context: UnsafeMutableRawPointer, type: Int32) throws(SocketError) {
        readsOrigin = type == ZMQ_ROUTER
        handle = zmq_socket(context, type)
        guard handle != nil else { throw .system("cannot open a socket") }
    }

    deinit { precondition(handle == nil, "a socket has to be closed on its own thread before it goes away") }

    /// What `zmq_poll` takes; nil when closed.
    var pollHandle: UnsafeMutableRawPointer? { handle }

    func close() {
        guard let open = handle else { return }
        checkThread()
        handle = nil
        zmq_close(open)
    }

    func set(_ option: Int32, _ value: Int32) throws(SocketError) {
        var value = value
        try check(zmq_setsockopt(live(), option, &value, MemoryLayout<Int32>.size), "set socket option \(option)")
    }

    func set(_ option: Int32, _ value: Int64) throws(SocketError) {
        var value = value
        try check(zmq_setsockopt(live(), option, &value, MemoryLayout<Int64>.size), "set socket option \(option)")
    }

    func set(_ option: Int32, _ value: Data) throws(SocketError) {
        let socket = live()
        let code = value.withUnsafeBytes { zmq_setsockopt(socket, option, $0.baseAddress, $0.count) }
        try check(code, "set socket option \(option)")
    }

    /// Returns 0 or the error number.
    func bind(_ address: String) -> Int32 { zmq_bind(live(), address) == 0 ? 0 : zmq_errno() }

    /// Returns 0 or the error number.
    func connect(_ address: String) -> Int32 { zmq_connect(live(), address) == 0 ? 0 : zmq_errno() }

    func lastEndpoint() throws(SocketError) -> String {
        var bytes = [UInt8](repeating: 0, count: 512)
        var count = bytes.count
        try check(zmq_getsockopt(live(), ZMQ_LAST_ENDPOINT, &bytes, &count), "read the address of a socket")
        return String(decoding: bytes.prefix(count).prefix { $0 != 0 }, as: UTF8.self)
    }

    /// Starts or, without an address, stops reporting what happens to the connection.
    func monitor(_ address: String?, events: Int32) throws(SocketError) {
        try check(zmq_socket_monitor(live(), address, events), "watch a socket")
    }

    /// Sends all frames or none of them.
    ///
    /// Returns 0 or the error number: `EAGAIN` for no room or no connection, `EHOSTUNREACH` for a ROUTER without such a peer.
    func send(_ frames: [Data]) -> Int32 {
        let socket = live()
        var failure: Int32 = 0
        for (index, frame) in frames.enumerated() {
            let isLast = index == frames.count - 1
            let code = sendFrame(frame, flags: ZMQ_DONTWAIT | (isLast ? 0 : ZMQ_SNDMORE), socket: socket)
            if code != 0 {
                if index == 0 { return code }
                // The connection went away between two frames. libzmq took the message back and drops what follows, up to the
                // last frame, so all frames still have to be handed over or the next message would be dropped in their place.
                failure = code
            }
        }
        return failure
    }

    private func sendFrame(_ frame: Data, flags: Int32, socket: UnsafeMutableRawPointer) -> Int32 {
        if frame.count >= Self.largeFrame { return sendLargeFrame(frame, flags: flags, socket: socket) }
        return frame.withUnsafeBytes { bytes in
            attempt(socket) { zmq_send($0, bytes.baseAddress, bytes.count, flags) }
        }
    }

    /// Lends the bytes to libzmq, which gives them back from one of its own threads when they are on their way.
    private func sendLargeFrame(_ frame: Data, flags: Int32, socket: UnsafeMutableRawPointer) -> Int32 {
        // The box keeps the bytes alive and, being a second owner, from being changed in place.
        let box = Unmanaged.passRetained(LentFrame(frame))
        return frame.withUnsafeBytes { bytes in
            var message = zmq_msg_t()
            return withUnsafeMutablePointer(to: &message) { message in
                let start = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
                let code = zmq_msg_init_data(
                    message, start, bytes.count, { _, hint in if let hint { Unmanaged<LentFrame>.fromOpaque(hint).release() } },
                    box.toOpaque())
                guard code == 0 else {
                    box.release()
                    return zmq_errno()
                }
                let failure = attempt(socket) { zmq_msg_send(message, $0, flags) }
                // A message that was sent is empty now; one that was not gives the box back.
                zmq_msg_close(message)
                return failure
            }
        }
    }

    private func attempt(_ socket: UnsafeMutableRawPointer, _ send: (UnsafeMutableRawPointer) -> Int32) -> Int32 {
        var hasLooked = false
        while true {
            if send(socket) >= 0 { return 0 }
            switch zmq_errno() {
            case EINTR: continue
            case EAGAIN where !hasLooked:
                // A non-blocking send may not look at its mailbox, where the news of a connection or of free room waits.
                hasLooked = true
                if !hasEvents(ZMQ_POLLOUT) { return EAGAIN }
            case let code: return code
            }
        }
    }

    private func hasEvents(_ wanted: Int32) -> Bool {
        var events: Int32 = 0
        var count = MemoryLayout<Int32>.size
        return zmq_getsockopt(live(), ZMQ_EVENTS, &events, &count) == 0 && events & wanted != 0
    }

    /// Takes the next message if there is one.
    ///
    /// Frames over the limit are let go one by one.
    func receive(maximumFrames: Int) throws(SocketError) -> Received {
        var received = Message()
        var excess = false
        while true {
            guard let (frame, more) = try receiveFrame(&received) else { return .nothing }
            if received.frames.count < maximumFrames { received.frames.append(frame) } else { excess = true }
            if !more { return excess ? .tooManyFrames(received) : .message(received) }
        }
    }

    private func receiveFrame(_ received: inout Message) throws(SocketError) -> (Data, more: Bool)? {
        let socket = live()
        var message = zmq_msg_t()
        zmq_msg_init(&message)
        defer { zmq_msg_close(&message) }
        while zmq_msg_recv(&message, socket, ZMQ_DONTWAIT) < 0 {
            switch zmq_errno() {
            case EINTR: continue
            case EAGAIN: return nil
            default: throw .system("cannot receive")
            }
        }
        return withUnsafeMutablePointer(to: &message) { pointer in
            let more = zmq_msg_more(pointer) != 0
            // All frames of a message say the same; a ROUTER's first one, the routing id, is never the last.
            if !more, readsOrigin { readOrigin(of: pointer, into: &received) }
            return (Self.takeData(of: pointer), more)
        }
    }

    private func readOrigin(of message: UnsafeMutablePointer<zmq_msg_t>, into received: inout Message) {
        received.connection = zmq_msg_get(message, ZMQ_SRCFD)
        guard let text = zmq_msg_gets(message, "User-Id") else { return }
        received.key = text.withMemoryRebound(to: UInt8.self, capacity: 41) { start in
            CurvePublicKey(z85Bytes: UnsafeBufferPointer(start: start, count: strnlen(text, 41)))
        }
    }

    /// The bytes of a small message are copied; a large one becomes the `Data`'s memory and ends with it, on whichever thread.
    private static func takeData(of message: UnsafeMutablePointer<zmq_msg_t>) -> Data {
        let count = zmq_msg_size(message)
        guard count >= largeFrame else { return zmq_msg_data(message).map { Data(bytes: $0, count: count) } ?? Data() }
        let kept = UnsafeMutablePointer<zmq_msg_t>.allocate(capacity: 1)
        kept.initialize(to: zmq_msg_t())
        zmq_msg_init(kept)
        guard zmq_msg_move(kept, message) == 0, let bytes = zmq_msg_data(kept) else {
            zmq_msg_close(kept)
            kept.deallocate()
            return Data()
        }
        return Data(
            bytesNoCopy: bytes, count: count,
            deallocator: .custom { _, _ in
                zmq_msg_close(kept)
                kept.deallocate()
            })
    }

    private func live() -> UnsafeMutableRawPointer {
        checkThread()
        guard let handle else { preconditionFailure("a closed socket was used") }
        return handle
    }

    private func checkThread() {
        precondition(pthread_equal(owner, pthread_self()) != 0, "a socket was used on another thread than its own")
    }

    private func check(_ code: Int32, _ what: String) throws(SocketError) {
        if code != 0 { throw .system("cannot \(what)") }
    }
}

/// Keeps a frame's bytes in place while libzmq has them.
private final class LentFrame: Sendable {
    private let frame: Data

    init(_ frame: Data) { self.frame = frame }
}

extension SocketError {
    /// An error from libzmq's error number of just now.
    static func system(_ what: String) -> SocketError {
        let number = zmq_errno()
        return SocketError(.system(number), "\(what): \(Self.text(number))")
    }

    static func text(_ number: Int32) -> String { String(cString: zmq_strerror(number)) }
}
