// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import ZeroMQ

/// One libzmq connection and nothing else: the measure that blob transfers are held against.
struct BareServe: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "bare-serve", shouldDisplay: false)

    @Option var chunk: Int

    private struct Handler: LoopHandler {
        let socket: SocketID
        let piece: Data

        mutating func handle(_ event: LoopEvent, in context: inout LoopContext) {
            guard case .message(_, let peer?, _) = event else { return }
            try? context.send([piece], to: peer, on: socket)
        }
    }

    func run() throws {
        let security = try BenchKeys.security
        let loop = SocketLoop<Handler>(name: "bare", tickInterval: .seconds(1)) { [chunk] context in
            var options = SocketOptions()
            options.security = security
            try context.authenticate { _, _ in true }
            let (socket, endpoint) = try context.bind(try Endpoint(host: "127.0.0.1", port: 0), options: options)
            Child.say("endpoint", endpoint)
            return Handler(socket: socket, piece: Data(repeating: 7, count: chunk << 10))
        }
        let cpu = Machine.cpuSeconds
        try loop.start()
        Child.waitForEnd(since: cpu)
        loop.stop()
    }
}

/// Asks for pieces with as many open requests as a blob client has.
struct BareFetch: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "bare-fetch", shouldDisplay: false)

    @Argument var endpoint: String
    @Option var pieces: Int

    private struct Handler: LoopHandler {
        static let window = 16

        let socket: SocketID
        let done: DispatchSemaphore
        var left: Int
        var unasked: Int
        var bytes = 0
        var start: ContinuousClock.Instant?

        mutating func handle(_ event: LoopEvent, in context: inout LoopContext) {
            switch event {
            case .connected:
                start = .now
                for _ in 0..<min(Self.window, unasked) { ask(&context) }
            case .message(_, _, let frames):
                bytes += frames.reduce(0) { $0 + $1.count }
                left -= 1
                if unasked > 0 { ask(&context) }
                if left == 0, let start {
                    Child.say("bytes", bytes)
                    Child.say("seconds", (ContinuousClock.now - start).seconds)
                    done.signal()
                }
            default: break
            }
        }

        private mutating func ask(_ context: inout LoopContext) {
            unasked -= 1
            try? context.send([Data("next".utf8)], on: socket)
        }
    }

    func run() throws {
        let security = try BenchKeys.security, endpoint = try Endpoint(endpoint)
        let done = DispatchSemaphore(value: 0)
        let loop = SocketLoop<Handler>(name: "bare", tickInterval: .seconds(1)) { [pieces] context in
            var options = SocketOptions()
            options.security = security
            return Handler(socket: try context.connect(endpoint, options: options), done: done, left: pieces, unasked: pieces)
        }
        let cpu = Machine.cpuSeconds
        try loop.start()
        done.wait()
        Child.waitForEnd(since: cpu)
        loop.stop()
    }
}
