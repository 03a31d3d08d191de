// SPDX-License-Identifier: Apache-2.0

import Foundation
import Studies
import Testing

@Suite struct ScheduleTests {
    private typealias Segment = LearningRateSchedule.Segment

    private func trace(_ grammar: String, _ steps: Int, start: Int = 0) throws -> [String] {
        let schedule = try LearningRateSchedule(grammar: grammar, maximumSteps: steps, startStep: start)
        return schedule.trace.map { "\($0.from): \($0.rate)→\($0.until)" } + ["finish \(schedule.finish)"]
    }

    /// Traces of AUTOMATIC1111's scheduler.
    @Test func tracesAgreeWithAUTOMATIC1111() throws {
        #expect(try trace("0.005", 1000) == ["0: 0.005→1000", "finish 1000"])
        #expect(try trace("0.005:100, 1e-3:1000", 5000) == ["0: 0.005→100", "100: 0.001→1000", "finish 1000"])
        #expect(
            try trace("0.005:100, 1e-3:1000, 1e-5", 5000) == ["0: 0.005→100", "100: 0.001→1000", "1000: 1e-05→5000", "finish 5000"])
        #expect(try trace("0.005:100,1e-3:-1", 5000) == ["0: 0.005→100", "100: 0.001→5000", "finish 5000"])
        #expect(try trace("0.005:100,1e-3:-1", 500) == ["0: 0.005→100", "100: 0.001→500", "finish 500"])
        #expect(try trace("0.005:100, 1e-3:1000", 5000, start: 300) == ["300: 0.001→1000", "finish 1000"])
        #expect(
            try trace("0.01:100, 0.001:50, 1e-4", 300) == ["0: 0.01→100", "100: 0.001→101", "101: 0.0001→300", "finish 300"])
    }

    @Test func otherFormsOfTheGrammar() throws {
        #expect(try trace(" , 0.5 : 10 ,, .25:+20,", 100) == ["0: 0.5→10", "10: 0.25→20", "finish 20"])
        #expect(try trace("1:5000, 2", 100) == ["0: 1.0→100", "finish 100"])
        #expect(try trace("1:0, 2:10", 100) == ["0: 2.0→10", "finish 10"])
        #expect(try trace("1:-1, 2:10", 100) == ["0: 1.0→100", "finish 100"])
        #expect(try trace("1:99, 2:1, 3:1, 4:1", 100) == ["0: 1.0→99", "99: 2.0→100", "finish 100"])
        #expect(try trace("0:5, 1E0", 10) == ["0: 0.0→5", "5: 1.0→10", "finish 10"])
    }

    /// What AUTOMATIC1111's scheduler does, step by step: it looks at the next entry at most once a step.
    private func simulated(_ entries: [(Double, Int)], steps: Int) -> [Double] {
        var (rates, index) = ([Double](), 0)
        for step in 0..<steps {
            if step >= entries[index].1 {
                guard index + 1 < entries.count else { break }
                index += 1
            }
            rates.append(entries[index].0)
        }
        return rates
    }

    @Test func randomListsAgreeWithTheSteppingScheduler() throws {
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<200 {
            let entries = (0..<Int.random(in: 1...5, using: &generator)).map { (Double($0 + 1), Int.random(in: 1...39, using: &generator)) }
            let grammar = entries.map { "\($0.0):\($0.1)" }.joined(separator: ",")
            let schedule = try LearningRateSchedule(grammar: grammar, maximumSteps: 40)
            let expected = simulated(entries, steps: 40)
            #expect((0..<40).compactMap { schedule.rate(at: $0) } == expected, "\(grammar)")
            #expect(schedule.finish == expected.count)
        }
    }

    @Test func aResumedRunAgreesWithAnUninterruptedOne() throws {
        for rate in [LearningRate.grammar("0.01:10, 0.001:5, 1e-4:30"), .cosine(base: 1, warmup: 4), .constant(base: 1, warmup: 4)] {
            let whole = try LearningRateSchedule(rate, maximumSteps: 40)
            let all = (0..<41).map { whole.rate(at: $0) }
            for start in 0..<41 {
                let resumed = try LearningRateSchedule(rate, maximumSteps: 40)
                #expect((start..<41).map { resumed.rate(at: $0) } == Array(all[start...]))
            }
        }
    }

    @Test func nothingIsTrainedOutside() throws {
        let schedule = try LearningRateSchedule(grammar: "0.5:10", maximumSteps: 100, startStep: 3)
        #expect(schedule.rate(at: 2) == nil && schedule.rate(at: 3) == 0.5 && schedule.rate(at: 9) == 0.5 && schedule.rate(at: 10) == nil)
        #expect(schedule.rate(at: -1) == nil && schedule.rate(at: .max) == nil)
        #expect(schedule.held(at: 0) == 0.5 && schedule.held(at: 99) == 0.5)
    }

    @Test(arguments: [
        "", " , ", "x", "0.1:", ":5", "0.1:5:6", "0.1:1e3", "0.1:-2", "nan", "inf", "-1", "1e999", "0x1p3", "0.1;5", "0.1:5, x", "1, x",
        "1:0",
    ])
    func malformedListsAreRefused(grammar: String) {
        let error = #expect(throws: StudyError.self) { try LearningRateSchedule(grammar: grammar, maximumSteps: 10) }
        #expect(error?.code == .invalidSchedule)
    }

    @Test func cosineFallsToNothingAfterItsWarmup() throws {
        let schedule = try LearningRateSchedule(.cosine(base: 0.01, warmup: 9), maximumSteps: 109)
        let rates = try (0..<109).map { try #require(schedule.rate(at: $0)) }
        #expect(rates[0] == 0.001 && abs(rates[4] - 0.005) < 1e-15 && rates[9] == 0.01)
        #expect(abs(rates[59] - 0.005) < 1e-12)
        #expect(abs(rates[84] - 0.01 * 0.5 * (1 + cos(0.75 * Double.pi))) < 1e-15)
        #expect(zip(rates[9...], rates[10...]).allSatisfy { $0 > $1 } && rates[108] > 0)
        #expect(schedule.rate(at: 109) == nil && schedule.finish == 109)
    }

    @Test func constantStaysAfterItsWarmup() throws {
        let schedule = try LearningRateSchedule(.constant(base: 2, warmup: 1), maximumSteps: 4)
        #expect((0...4).map { schedule.rate(at: $0) } == [1, 2, 2, 2, nil])
        let onlyWarmup = try LearningRateSchedule(.cosine(base: 1, warmup: 3), maximumSteps: 3)
        #expect((0..<3).map { onlyWarmup.rate(at: $0) } == [0.25, 0.5, 0.75])
    }

    @Test func theGradientLimitFollowsTheSameGrammar() throws {
        let limit = try #require(try GradientClip.value("0.1:5, 0.05:8").schedule(maximumSteps: 100))
        #expect(limit.held(at: 4) == 0.1 && limit.held(at: 5) == 0.05 && limit.held(at: 50) == 0.05)
    }
}
