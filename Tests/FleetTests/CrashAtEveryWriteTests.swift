// SPDX-License-Identifier: Apache-2.0

import Checkpoints
import Coordination
import Foundation
import Glibc
import Testing

@testable import Fleet

/// Ledger and checkpoints survive whatever happens at any single write, sync, rename, removal or creation of a file.
///
/// Each such call is struck in turn and none is left out; `scripts/crash-at-every-write` does the same to the real program.
@Suite(.serialized) struct CrashAtEveryWriteTests {
    let bench: Bench

    /// In memory where that is possible: a kill takes nothing from the system's own buffers, so only time would be lost.
    init() throws { bench = try Bench(in: FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : nil) }

    /// What an undisturbed run leaves, and its checkpoints on the way, by trial and step.
    struct Undisturbed {
        var facts = CrashScenario.Facts()
        var checkpoints: [String: Checkpoint] = [:]

        init(in folder: URL) throws {
            let scenario = CrashScenario(folder: folder)
            try scenario.run { _ in try keep(scenario) }
            try keep(scenario)
            facts = try scenario.facts()
        }

        private mutating func keep(_ scenario: CrashScenario) throws {
            for trial in 0..<CrashScenario.trials {
                if let file = try scenario.checkpoint(trial) { checkpoints["\(trial) \(file.optimizer.step)"] = file }
            }
        }

        /// What was there before or after is there whole, nothing that was acknowledged is lost, and going on ends with the same bits.
        func check(_ folder: URL, acknowledged: [String], _ struck: String) throws {
            let scenario = CrashScenario(folder: folder)
            for trial in 0..<CrashScenario.trials {
                guard let file = try scenario.checkpoint(trial) else { continue }
                #expect(file == checkpoints["\(trial) \(file.optimizer.step)"], "\(struck): the checkpoint is another one")
            }
            let found = try scenario.facts()
            for (trial, segments) in found.segments.enumerated() {
                #expect(facts.segments[trial].starts(with: segments), "\(struck): the ledger has other results")
            }
            for promise in acknowledged {
                let parts = promise.split(separator: " ").compactMap { Int($0) }
                let end = found.segments.isEmpty ? 0 : found.segments[parts[0]].count * CrashScenario.study.every
                #expect(end >= parts[1], "\(struck): trial \(parts[0]) lost acknowledged steps: \(end) of \(parts[1]) are there")
            }
            try scenario.run()
            #expect(try scenario.facts() == facts, "\(struck): the study ended otherwise")
            for trial in 0..<CrashScenario.trials {
                let end = checkpoints["\(trial) \(CrashScenario.study.steps)"]
                #expect(try scenario.checkpoint(trial) == end && end != nil, "\(struck): the vectors are others")
                #expect(scenario.leftovers(trial).isEmpty, "\(struck): something was left behind")
            }
        }
    }

    @Test(arguments: ["kill", "torn"]) func aKillAtAnyCallCostsNothing(mode: String) async throws {
        let library = try CrashShim.compile(into: bench.folder)
        let undisturbed = try Undisturbed(in: bench.folder.appendingPathComponent("undisturbed"))
        var number = 0
        while true {
            number += 1
            let place = bench.folder.appendingPathComponent("\(number)")
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            await CrashShim.preloaded(library) {
                await #expect(processExitsWith: .signal(SIGKILL)) {
                    [place = place.path as String, mode = mode as String, number = number as Int] in
                    CrashShim.arm("\(place)/home", mode: mode, at: number, log: "\(place)/struck")
                    try CrashScenario(folder: URL(fileURLWithPath: "\(place)/home")).run { promise in
                        let file = fopen("\(place)/acknowledged", "a")
                        fputs("\(promise)\n", file)
                        fclose(file)
                    }
                    // Nothing was struck: as if it had been just after the end.
                    kill(getpid(), SIGKILL)
                }
            }
            let lines = (try? String(contentsOfFile: "\(place.path)/acknowledged", encoding: .utf8)) ?? ""
            let struck = CrashShim.struck("\(place.path)/struck")
            try undisturbed.check(
                place.appendingPathComponent("home"), acknowledged: lines.split(separator: "\n").map(String.init),
                "\(mode) at call \(struck ?? "none")")
            try FileManager.default.removeItem(at: place)
            if struck == nil { break }
        }
        #expect(number > 60, "only \(number) calls were seen")
    }

    @Test(arguments: ["error", "full"]) func aFailureOfAnyCallCostsNothing(mode: String) async throws {
        let library = try CrashShim.compile(into: bench.folder)
        await CrashShim.preloaded(library) {
            await #expect(processExitsWith: .success) { [folder = bench.folder.path as String, mode = mode as String] in
                let folder = URL(fileURLWithPath: folder)
                let undisturbed = try Undisturbed(in: folder.appendingPathComponent("undisturbed"))
                var number = 0
                while true {
                    number += 1
                    let place = folder.appendingPathComponent("\(number)"), log = place.appendingPathComponent("struck").path
                    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
                    let home = place.appendingPathComponent("home")
                    var acknowledged: [String] = []
                    CrashShim.arm(home.path, mode: mode, at: number, log: log)
                    // The disk's complaint reaches whoever asked, or is dealt with.
                    try? CrashScenario(folder: home).run { acknowledged.append($0) }
                    CrashShim.arm(home.path, mode: "off", at: 0, log: log)
                    let struck = CrashShim.struck(log)
                    try undisturbed.check(home, acknowledged: acknowledged, "\(mode) at call \(struck ?? "none")")
                    try FileManager.default.removeItem(at: place)
                    if struck == nil { break }
                }
                #expect(number > 60, "only \(number) calls were seen")
            }
        }
    }
}
