// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Tensors
import TestSupport

@main
struct OperationBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "operation-bench", abstract: "Times the engine's operations, or checks them against plain references.",
        discussion: "The kernels used are those that the processor can run; PSEUDOWORD_CPU=baseline or avx2 asks for simpler ones.")

    enum Output: String, ExpressibleByArgument, CaseIterable { case text, json }

    @Option(help: "Only cases whose name contains this.") var filter = ""
    @Option(help: "Threads to compute with (default: one for each processor).") var threads: Int?
    @Option(help: "Seconds to repeat each measurement.") var seconds = 0.3
    @Flag(help: "Compare with references and check gradients instead of timing; exit code 1 if any case fails.") var check = false
    @Option(help: "text or json.") var output = Output.text

    func validate() throws {
        if let threads, threads < 1 { throw ValidationError("--threads is \(threads); expected 1 or more") }
        guard seconds > 0, seconds <= 60 else { throw ValidationError("--seconds is \(seconds); expected more than 0 and at most 60") }
    }

    func run() throws {
        Compute.setThreads(threads ?? ProcessInfo.processInfo.activeProcessorCount)
        let cases = (check ? OperationTable.checked : OperationTable.cases).filter { filter.isEmpty || $0.name.contains(filter) }
        guard !cases.isEmpty else { throw ValidationError("no case has \"\(filter)\" in its name; without --filter all are run") }
        if check { try runChecks(cases) } else { try runTimings(cases) }
    }

    private func runChecks(_ cases: [OperationCase]) throws {
        let results = cases.flatMap { OperationCheck.run($0, budget: 1e6) }, failures = results.filter { !$0.passes }
        switch output {
        case .json:
            try printJSON(
                CheckReport(cpu: Compute.description, cases: cases.count, checks: results.count, failures: failures.map(\.description)))
        case .text:
            for failure in failures { print(failure) }
            print("\(Compute.description): \(cases.count) cases, \(results.count) checks, \(failures.count) failed")
        }
        if !failures.isEmpty { throw ExitCode.failure }
    }

    private func runTimings(_ cases: [OperationCase]) throws {
        if output == .text {
            print("\(Compute.description), \(Compute.threads) threads")
            print("  forward ms   GFLOP/s      GB/s  gradient ms   GFLOP/s  case")
        }
        var rows: [TimingReport.Row] = []
        for item in cases {
            let timing = OperationTiming(item, seconds: seconds)
            rows.append(TimingReport.Row(timing))
            if output == .text { print(line(timing)) }
        }
        if output == .json { try printJSON(TimingReport(cpu: Compute.description, threads: Compute.threads, cases: rows)) }
    }

    private func line(_ timing: OperationTiming) -> String {
        let numbers: [(Double, Int, Int)] = [
            (timing.forward * 1e3, 12, 3), (timing.forwardRate, 10, 2), (timing.forwardBandwidth, 10, 2), (timing.gradient * 1e3, 13, 3),
            (timing.gradientRate, 10, 2),
        ]
        return numbers.map { String(format: "%\($0.1).\($0.2)f", $0.0) }.joined() + "  " + timing.name
    }

    private func printJSON(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }
}

private struct CheckReport: Encodable {
    let cpu: String
    let cases: Int, checks: Int
    let failures: [String]
}

private struct TimingReport: Encodable {
    struct Row: Encodable {
        let name: String
        let forwardSeconds: Double, forwardGflops: Double, forwardGigabytesPerSecond: Double
        let gradientSeconds: Double, gradientGflops: Double

        init(_ timing: OperationTiming) {
            (name, forwardSeconds, forwardGflops) = (timing.name, timing.forward, timing.forwardRate)
            forwardGigabytesPerSecond = timing.forwardBandwidth
            (gradientSeconds, gradientGflops) = (timing.gradient, timing.gradientRate)
        }
    }
    let cpu: String
    let threads: Int
    let cases: [Row]
}
