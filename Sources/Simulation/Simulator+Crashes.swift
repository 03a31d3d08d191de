// SPDX-License-Identifier: Apache-2.0

extension Simulator {
    /// Runs a schedule once, and then again for every commit of its ledger with a coordinator that dies just before or just after it.
    ///
    /// - Returns: the first run that broke a promise, or else the undisturbed one; and how many runs there were.
    package static func crashEverywhere(_ options: SimulationOptions) -> (report: SimulationReport, runs: Int) {
        var plain = options
        plain.faults = []
        plain.crashPoint = nil
        var simulator = Simulator(options: plain)
        let report = simulator.run()
        var runs = 1
        guard report.failure == nil else { return (report, runs) }
        for commit in 0..<report.commits {
            for isAfter in [false, true] {
                plain.crashPoint = CrashPoint(commit: commit, isAfter: isAfter)
                var simulator = Simulator(options: plain)
                var crashed = simulator.run()
                runs += 1
                if let failure = crashed.failure {
                    crashed.failure = "crash \(isAfter ? "after" : "before") commit \(commit): \(failure)"
                    return (crashed, runs)
                }
            }
        }
        return (report, runs)
    }

    /// The same for the small schedule of a seed.
    package static func crashEverywhere(seed: UInt64) -> (report: SimulationReport, runs: Int) {
        crashEverywhere(SimulationOptions(seed: seed))
    }
}
