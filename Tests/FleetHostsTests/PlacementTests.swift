// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import FleetHosts

@Suite("Workers and NUMA nodes")
struct PlacementTests {
    @Test(arguments: [
        ("0\n", [0]), ("0-3\n", [0, 1, 2, 3]), ("0-1,8-9,12", [0, 1, 8, 9, 12]), ("", []), ("\n", []), ("3-1", []), ("-2", []), ("a", []),
        ("0-", []), ("1-2-3", []), ("0-99999999999999999999", []), ("0-9999999", []),
    ])
    func theKernelsListsAreRead(text: String, numbers: [Int]) {
        #expect(ProcessorNode.list(text) == numbers)
    }

    @Test func nodesAreWhatThisProcessMayUseOfThem() {
        let folder = "/sys/devices/system/node/"
        var files = [
            folder + "online": "0,2-3\n", folder + "node0/cpulist": "0-1,4-5\n", folder + "node2/cpulist": "\n",
            folder + "node3/cpulist": "2-3\n",
        ]
        let all = [ProcessorNode(number: 0, processors: [0, 1, 4, 5]), ProcessorNode(number: 3, processors: [2, 3])]
        #expect(ProcessorNode.available { files[$0] } == all, "no node without processors")
        files["/proc/self/status"] = "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\nMems_allowed:\t1\n"
        #expect(ProcessorNode.available { files[$0] } == all)
        files["/proc/self/status"] = "Cpus_allowed_list:\t1-1,4\n"
        #expect(ProcessorNode.available { files[$0] } == [ProcessorNode(number: 0, processors: [1, 4])])
        #expect(ProcessorNode.available { _ in nil }.isEmpty)
    }

    /// 16 processors on as many nodes as there are numbers.
    private func plan(workers: Int?, threads: Int? = nil, nodes: [Int], option: Int? = nil) -> WorkerPlan {
        var report = BoxReport()
        report.processors = 16
        let size = 16 / max(1, nodes.count)
        report.nodes = nodes.enumerated().map { ProcessorNode(number: $1, processors: Array($0 * size..<($0 + 1) * size)) }
        return WorkerPlan(HostEntry(host: "b", workers: workers, threads: threads, name: "b"), on: report, threads: option)
    }

    @Test func aNodeGetsAWorkerUnlessTheLineSaysOtherwise() {
        let two = plan(workers: nil, nodes: [0, 2])
        #expect(two.names == ["b-1", "b-2"] && two.threads == nil && (0..<2).map(two.node) == [0, 2])
        for nodes in [[], [0]] {
            let one = plan(workers: nil, nodes: nodes)
            #expect(one.names == ["b-1"] && one.threads == nil && one.node(0) == nil)
        }
        let single = plan(workers: 1, nodes: [0, 2])
        #expect(single.names == ["b-1"] && single.threads == nil && single.node(0) == nil, "one worker may use the whole box")
    }

    @Test func workersShareABoxEvenly() {
        let four = plan(workers: 4, nodes: [0, 2])
        #expect(four.threads == 4 && (0..<4).map(four.node) == [0, 2, 0, 2])
        let three = plan(workers: 3, nodes: [0, 2])
        #expect(three.threads == 5 && (0..<3).allSatisfy { three.node($0) == nil }, "three do not share two nodes evenly")
        #expect(plan(workers: 32, nodes: [0]).threads == 1)
    }

    @Test func theLineSaysThreadsThenTheOption() {
        #expect(plan(workers: 2, threads: 3, nodes: [0, 1], option: 5).threads == 3)
        let both = plan(workers: nil, nodes: [0, 1], option: 5)
        #expect(both.names.count == 2 && both.threads == 5 && both.node(1) == 1)
    }

    @Test func noNodeIsCrowded() {
        let wide = plan(workers: nil, threads: 16, nodes: [0, 1])
        #expect(wide.names == ["b-1"] && wide.threads == 16 && wide.node(0) == nil, "its threads need the whole box")
        let many = plan(workers: 4, threads: 8, nodes: [0, 1])
        #expect(many.threads == 8 && many.node(0) == nil, "as it was asked for, but anywhere")
    }

    @Test func noProcessorIsOnTwoNodes() {
        let processors = ProcessorNode.available.flatMap(\.processors)
        #expect(Set(processors).count == processors.count)
    }
}
