// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Foundation

/// A libzmq socket, fenced: one thread, explicit close, never blocking.
///
/// libzmq aborts the whole process when two threads use a socket, so every call checks that it is on the thread that made it.
final class RawSocket {
    enum Received {
        case nothing
        case message([Data])
        /// More frames than allowed; holds the first one.
        case tooManyFrames(first: Data)
    }

    private let owner = pthread_self()
    private var handle: UnsafeMutableRawPointer?

    init(context: UnsafeMutableRawPointer, type: Int32) throws(SocketError) {
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
        var hasLooked = false
        while true {
            if frame.withUnsafeBytes({ zmq_send(socket, $0.baseAddress, $0.count, flags) }) >= 0 { return 0 }
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
        var frames: [Data] = []
        var excess = false
        while true {
            guard let (frame, more) = try receiveFrame() else { return .nothing }
            if frames.count < maximumFrames { frames.append(frame) } else { excess = true }
            if !more { return excess ? .tooManyFrames(first: frames.first ?? Data()) : .message(frames) }
        }
    }

    private func receiveFrame() throws(SocketError) -> (Data, more: Bool)? {
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
            let count = zmq_msg_size(pointer)
            let data = zmq_msg_data(pointer).map { Data(bytes: $0, count: count) } ?? Data()
            return (data, zmq_msg_more(pointer) != 0)
        }
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

extension SocketError {
    /// An error from libzmq's error number of just now.
    static func system(_ what: String) -> SocketError {
        let number = zmq_errno()
        return SocketError(.system(number), "\(what): \(Self.text(number))")
    }

    static func text(_ number: Int32) -> String { String(cString: zmq_strerror(number)) }
}
