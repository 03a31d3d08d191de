// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// Forwards TCP connections to a port of this machine and holds every byte back for a while, in both directions.
final class DelayProxy: Sendable {
    let port: UInt16
    private let target: UInt16
    private let delay: Double

    /// - Parameter delay: seconds, one way.
    init(to target: UInt16, delay: Double) throws {
        self.target = target
        self.delay = delay
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.loopback(0)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, size) == 0 }
        }
        guard listener >= 0, isBound, listen(listener, 64) == 0 else { throw Failure("the proxy cannot listen") }
        var length = size
        _ = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &length) }
        }
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { return }
                serve(client)
            }
        }
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return address
    }

    private func serve(_ client: Int32) {
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.loopback(target)
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else {
            close(client)
            close(server)
            return
        }
        var one: Int32 = 1
        for side in [client, server] { setsockopt(side, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size)) }
        pump(from: client, to: server)
        pump(from: server, to: client)
    }

    private func pump(from source: Int32, to sink: Int32) {
        let line = Line()
        Thread.detachNewThread { [delay] in
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = read(source, &buffer, buffer.count)
                line.put(count > 0 ? Data(buffer[..<count]) : nil, due: ContinuousClock.now + .seconds(delay))
                if count <= 0 { return }
            }
        }
        Thread.detachNewThread {
            while let (data, due) = line.take() {
                let wait = (due - .now) / .seconds(1)
                if wait > 0 { usleep(UInt32(wait * 1e6)) }
                var sent = 0
                data.withUnsafeBytes { bytes in
                    while sent < bytes.count {
                        let count = write(sink, bytes.baseAddress?.advanced(by: sent), bytes.count - sent)
                        if count <= 0 { return }
                        sent += count
                    }
                }
            }
            shutdown(sink, Int32(SHUT_WR))
        }
    }

    /// Bytes on their way.
    private final class Line: @unchecked Sendable {
        private let condition = NSCondition()
        private var waiting: [(Data?, ContinuousClock.Instant)] = []

        func put(_ data: Data?, due: ContinuousClock.Instant) {
            condition.lock()
            waiting.append((data, due))
            condition.signal()
            condition.unlock()
        }

        /// Nil at the end.
        func take() -> (Data, ContinuousClock.Instant)? {
            condition.lock()
            defer { condition.unlock() }
            while waiting.isEmpty { condition.wait() }
            let (data, due) = waiting.removeFirst()
            return data.map { ($0, due) }
        }
    }
}
