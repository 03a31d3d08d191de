// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import OperationCases
import Tensors

struct BenchOperationsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "operations", abstract: "Times single operations, beside what this processor could multiply at most.",
        discussion: """
            The sizes are those of the tests and of Stable Diffusion 1 at 512 pixels. The peak is measured: multiply-adds on registers alone, on \
            as many threads. Winograd's convolutions may exceed it, for they count as the direct ones that they replace.
            """)

    @Option(help: "Only operations whose name contains this.") var filter = ""
    @Option(help: "Seconds to repeat each measurement.") var seconds = 0.3
    @Option(help: "text or json.") var output = OutputFormat.text
    @OptionGroup var compute: ComputeOptions

    struct Report: Encodable {
        struct Row: Encodable {
            let name: String
            let forwardSeconds: Double, forwardGflops: Double, forwardShareOfPeak: Double, forwardGigabytesPerSecond: Double
            let gradientSeconds: Double, gradientGflops: Double, gradientShareOfPeak: Double
        }
        let schemaVersion = 1
        let cpu: String, threads: Int, peakGflops: Double
        let operations: [Row]
    }

    func validate() throws {
        guard seconds > 0, seconds <= 60 else { throw ValidationError("--seconds is \(seconds); expected more than 0 and at most 60") }
    }

    func run() throws {
        compute.apply()
        let cases = OperationTable.cases.filter { filter.isEmpty || $0.name.contains(filter) }
        guard !cases.isEmpty else {
            throw CommandLineError(.usage, "no operation has \"\(filter)\" in its name; without --filter all are timed")
        }
        let peak = Compute.measuredPeak() / 1e9
        if output == .text {
            print("\(Compute.description), \(Compute.threads) threads, peak \(formatted(peak, digits: 0)) GFLOP/s")
            print("  forward ms   GFLOP/s  of peak      GB/s  gradient ms   GFLOP/s  of peak  operation")
        }
        var rows: [Report.Row] = []
        for item in cases {
            let timing = OperationTiming(item, seconds: seconds)
            let row = Report.Row(
                name: timing.name, forwardSeconds: timing.forward, forwardGflops: timing.forwardRate,
                forwardShareOfPeak: timing.forwardRate / peak, forwardGigabytesPerSecond: timing.forwardBandwidth,
                gradientSeconds: timing.gradient, gradientGflops: timing.gradientRate, gradientShareOfPeak: timing.gradientRate / peak)
            rows.append(row)
            if output == .text { print(line(row)) }
        }
        if output == .json {
            try Report(cpu: Compute.description, threads: Compute.threads, peakGflops: peak, operations: rows).printAsJSON()
        }
    }

    private func line(_ row: Report.Row) -> String {
        String(
            format: "%12.3f%10.1f%8.0f%%%10.1f%13.3f%10.1f%8.0f%%  ", row.forwardSeconds * 1e3, row.forwardGflops,
            row.forwardShareOfPeak * 100, row.forwardGigabytesPerSecond, row.gradientSeconds * 1e3, row.gradientGflops,
            row.gradientShareOfPeak * 100) + row.name
    }
}
