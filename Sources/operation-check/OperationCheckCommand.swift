// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import OperationCases
import Tensors

/// For the tests: what a process computes with follows from its environment and is chosen once.
@main
struct OperationCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "operation-check", abstract: "Holds the engine's operations against plain references and checks their gradients.",
        discussion: """
            Exits with 1 if any case fails. PSEUDOWORD_CPU=baseline, avx2 or avx512 asks for simpler kernels than the processor could run, \
            PSEUDOWORD_BACKEND=blas or onednn for a library's.
            """)

    @Option(help: "Only cases whose name contains this.") var filter = ""
    @Option(help: "Threads to compute with (default: one for each processor).") var threads: Int?
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        if let threads, threads < 1 { throw ValidationError("--threads is \(threads); expected 1 or more") }
    }

    func run() throws {
        Compute.setThreads(threads ?? ProcessInfo.processInfo.activeProcessorCount)
        let cases = OperationTable.checked.filter { filter.isEmpty || $0.name.contains(filter) }
        guard !cases.isEmpty else { throw ValidationError("no case has \"\(filter)\" in its name; without --filter all are run") }
        let results = cases.flatMap { OperationCheck.run($0, budget: 1e6) }, failures = results.filter { !$0.passes }
        if json {
            let report = Report(cpu: Compute.description, cases: cases.count, checks: results.count, failures: failures.map(\.description))
            print(String(decoding: try JSONEncoder().encode(report), as: UTF8.self))
        } else {
            for failure in failures { print(failure) }
            print("\(Compute.description): \(cases.count) cases, \(results.count) checks, \(failures.count) failed")
        }
        if !failures.isEmpty { throw ExitCode.failure }
    }
}

private struct Report: Encodable {
    let cpu: String
    let cases: Int, checks: Int
    let failures: [String]
}
