// SPDX-License-Identifier: Apache-2.0

import Coordination
import Simulation
import Testing

struct SimulatorTests {
    #if DEBUG
        private static let schedules = 200
    #else
        private static let schedules = 5000
    #endif

    @Test(arguments: 0..<8) func everyScheduleEndsWithTheSameBits(part: Int) {
        for number in 0..<Self.schedules / 8 {
            let seed = UInt64(part * 1_000_000 + number + 1)
            var simulator = Simulator(options: SimulationOptions(seed: seed))
            let report = simulator.run()
            if let failure = report.failure {
                Issue.record("seed \(seed): \(failure)")
                return
            }
        }
    }

    @Test(arguments: Fault.allCases) func everyFaultAloneIsSurvivedAndHappens(fault: Fault) {
        var injected = 0
        for seed in UInt64(1)...40 {
            var options = SimulationOptions(seed: seed)
            options.faults = [fault]
            var simulator = Simulator(options: options)
            let report = simulator.run()
            #expect(report.failure == nil, "seed \(seed)")
            #expect(Set(report.faults.keys).isSubset(of: [fault]))
            injected += report.faults[fault] ?? 0
        }
        #expect(injected > 0)
    }

    @Test(arguments: UInt64(1)...6) func aCrashAtAnyWriteChangesNothing(seed: UInt64) {
        let (report, runs) = Simulator.crashEverywhere(seed: seed)
        #expect(report.failure == nil)
        #expect(runs == 2 * report.commits + 1 && report.commits > 3)
    }

    @Test func theSameSeedGivesTheSameRun() {
        var first = Simulator(options: SimulationOptions(seed: 42))
        var second = Simulator(options: SimulationOptions(seed: 42))
        #expect(first.run() == second.run())
    }

    @Test func aLargeFleetEndsToo() {
        var options = SimulationOptions(seed: 3)
        (options.workers, options.trials, options.studies, options.steps) = (100, 400, 8, 10)
        var simulator = Simulator(options: options)
        let report = simulator.run()
        #expect(report.failure == nil && report.grants > 400)
    }

    @Test func withoutFaultsNothingIsDoneTwice() {
        var options = SimulationOptions(seed: 5)
        options.faults = []
        options.trialsOnlyEvery = 1
        var simulator = Simulator(options: options)
        let report = simulator.run()
        #expect(report.failure == nil && report.faults.isEmpty && report.slices == 0)
        #expect(report.virtualDuration < .seconds(120))
    }
}
