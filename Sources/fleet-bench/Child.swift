// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import ZeroMQ

/// Another process of this program, which prints `name value` lines and ends when its input ends.
final class Child {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private var unread = Data()
    private let what: String

    init(_ arguments: [String], environment: [String: String]) throws {
        what = arguments[0]
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = input
        process.standardOutput = output
        try process.run()
    }

    deinit { if process.isRunning { process.terminate() } }

    /// The value of the next line, which has to have this name.
    func value(_ name: String) throws -> String {
        while true {
            if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
                let words = String(decoding: unread[..<end], as: UTF8.self).split(separator: " ", maxSplits: 1)
                unread = Data(unread[(end + 1)...])
                guard words.count == 2, words[0] == name else { throw Failure("\(what): expected \(name)") }
                return String(words[1])
            }
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { throw Failure("\(what) ended without saying \(name)") }
            unread += more
        }
    }

    func number(_ name: String) throws -> Double {
        guard let number = Double(try value(name)) else { throw Failure("\(what): \(name) is not a number") }
        return number
    }

    /// Lets it end, and gives the largest resident set it had, in 10^6 bytes, and the processor time since it got ready.
    func end() throws -> (megabytes: Double, cpu: Double) {
        try input.fileHandleForWriting.close()
        let peak = try number("peak"), cpu = try number("cpu")
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure("\(what) ended with \(process.terminationStatus)") }
        return (peak / 1e6, cpu)
    }

    // MARK: The other end

    static func say(_ name: String, _ value: some CustomStringConvertible) {
        FileHandle.standardOutput.write(Data("\(name) \(value)\n".utf8))
    }

    /// Waits until the parent has heard enough.
    ///
    /// - Parameter start: the processor time of before the work.
    static func waitForEnd(since start: Double) {
        while !FileHandle.standardInput.availableData.isEmpty {}
        say("peak", Machine.peakResidentBytes)
        say("cpu", Machine.cpuSeconds - start)
    }
}

struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Keys of both sides, handed to the children through their environment.
struct BenchKeys {
    var server: [String: String] = [:]
    var client: [String: String] = [:]

    init(isEncrypted: Bool) throws {
        guard isEncrypted else { return }
        let (ours, theirs) = (try CurveKeyPair.generate(), try CurveKeyPair.generate())
        server = ["FLEET_BENCH_SECRET": ours.secretKey.z85]
        client = ["FLEET_BENCH_SECRET": theirs.secretKey.z85, "FLEET_BENCH_SERVER": ours.publicKey.z85]
    }

    /// What this process was given.
    static var security: SocketSecurity {
        get throws {
            let environment = ProcessInfo.processInfo.environment
            guard let text = environment["FLEET_BENCH_SECRET"] else { return .none }
            let keys = try CurveKeyPair(secretKey: try CurveSecretKey(z85: text))
            guard let server = environment["FLEET_BENCH_SERVER"] else { return .server(keys) }
            return .client(server: try CurvePublicKey(z85: server), keys: keys)
        }
    }
}
