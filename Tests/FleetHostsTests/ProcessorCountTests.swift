// SPDX-License-Identifier: Apache-2.0
import FleetHosts
import Testing

struct ProcessorCountTests {
    private func limit(_ groups: String, _ files: [String: String]) -> Double? { ProcessorCount.limit(groups: groups) { files[$0] } }

    @Test func aGroupWithoutALimitHasNone() {
        #expect(limit("", [:]) == nil)
        #expect(limit("0::/\n", [:]) == nil)
        #expect(limit("0::/a\n", ["/a/cpu.max": "max 100000\n", "/cpu.max": "max 100000"]) == nil)
        #expect(limit("4:cpu,cpuacct:/a\n", ["/cpu/a/cpu.cfs_quota_us": "-1\n", "/cpu/a/cpu.cfs_period_us": "100000\n"]) == nil)
    }

    @Test func theNarrowestOfAGroupAndThoseAboveItCounts() {
        let files = ["/a/b/cpu.max": "400000 100000\n", "/a/cpu.max": "150000 100000\n", "/cpu.max": "800000 100000\n"]
        #expect(limit("0::/a/b\n", files) == 1.5)
        #expect(limit("0::/a\n", files) == 1.5)
        #expect(limit("0::/\n", files) == 8)
    }

    /// Docker's paths of version 1 are not there inside the container; the root's files are the container's.
    @Test func theFirstVersionIsReadToo() {
        let files = ["/cpu/cpu.cfs_quota_us": "250000\n", "/cpu/cpu.cfs_period_us": "50000\n"]
        #expect(limit("7:memory:/x\n4:cpu,cpuacct:/docker/0123\n", files) == 5)
        #expect(limit("4:cpuset:/docker/0123\n", files) == nil)
    }

    @Test func whatIsNoNumberIsNoLimit() {
        for text in ["", "max", "x y", "100000", "-5 100000", "100000 0", "1 2 3"] { #expect(limit("0::/a", ["/a/cpu.max": text]) == nil) }
        #expect(limit("nonsense\n0:\n::::::\n", ["/cpu.max": "1 1"]) == 1)
    }

    @Test func thereIsAlwaysOne() { #expect(ProcessorCount.available >= 1) }
}
