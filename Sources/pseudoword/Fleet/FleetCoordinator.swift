// SPDX-License-Identifier: Apache-2.0
import FleetHosts
import Foundation
import Synchronization

/// The coordinator that workers shall join, asked through this program's own commands.
final class FleetCoordinator: Sendable {
    private let program: String
    private let home: String
    /// One question at a time, and an answer serves all who ask within a moment.
    private let latest = Mutex<(sighting: FleetSighting, time: DispatchTime)?>(nil)
    private let tokens = Mutex(())
    private static let asJSON = ["--output", "json"]

    init(program: String?, home: String) {
        self.program = program ?? URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path
        self.home = home
    }

    /// What the coordinator says of its workers.
    func sighting() throws -> FleetSighting {
        try latest.withLock { latest in
            if let latest, DispatchTime.now() < latest.time + 0.5 { return latest.sighting }
            let output = try ask(["status", "--home", home] + Self.asJSON)
            do {
                let sighting = try FleetSighting.parse(output)
                latest = (sighting, .now())
                return sighting
            } catch { throw CommandLineError("\(error)") }
        }
    }

    /// New join tokens for workers that reach the coordinator at `address`; each serves once.
    func joinTokens(_ count: Int, address: String) throws -> [String] {
        struct Answer: Decodable {
            struct Row: Decodable { let token: String }
            let tokens: [Row]
        }
        let output = try tokens.withLock { _ in
            try ask(["keys", "token", "--role", "worker", "--count", String(count), "--home", home, "--address", address] + Self.asJSON)
        }
        guard let texts = try? JSONDecoder().decode(Answer.self, from: Data(output)).tokens.map(\.token), texts.count == count,
            texts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x21...0x7E).contains($0) } })
        else { throw CommandLineError("keys token gave no tokens; is this program of the coordinator's version?") }
        return texts
    }

    private func ask(_ arguments: [String]) throws -> [UInt8] {
        do {
            let result = try ChildProcess.run([program] + arguments, limit: 60)
            guard result.status == 0 else {
                let words = result.lastWords.hasPrefix("pseudoword: ") ? String(result.lastWords.dropFirst(12)) : result.lastWords
                throw CommandLineError(ExitStatus(rawValue: result.status) ?? .failed, words.isEmpty ? "\(arguments[0]) failed" : words)
            }
            return result.output
        } catch let error as ChildProcess.Failure {
            switch error {
            case .cannotStart(let reason): throw CommandLineError(reason)
            case .tookTooLong: throw CommandLineError(.unreachable, "the coordinator gave no answer in 60 seconds")
            case .interrupted: throw CommandLineError(.interrupted, "interrupted")
            }
        }
    }
}
