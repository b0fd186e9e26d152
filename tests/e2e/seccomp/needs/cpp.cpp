// What C++ programs ask of the kernel: each need fails loudly, the last line is "ok".
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <latch>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace fs = std::filesystem;

static void need(bool held, const std::string &what) {
    if (!held) throw std::runtime_error(what);
}

static void threads() {
    std::atomic<int> counted{0};
    std::latch finished{8};
    {
        std::vector<std::jthread> workers;
        for (int i = 0; i < 8; i++) workers.emplace_back([&] { counted++; finished.count_down(); });
        finished.wait();
    }
    need(counted == 8, "eight threads");
    need(std::async(std::launch::async, [] { return 7; }).get() == 7, "async");
    std::atomic<bool> ready{false};
    std::jthread waker([&] { ready = true; ready.notify_all(); });
    ready.wait(false);
    std::mutex lock;
    std::condition_variable never;
    std::unique_lock held(lock);
    need(never.wait_for(held, std::chrono::milliseconds(5)) == std::cv_status::timeout, "timeout");
    need(std::thread::hardware_concurrency() > 0, "hardware_concurrency");
}

static void files() {
    std::ofstream("source") << std::string(100'000, 'x');
    fs::copy_file("source", "target", fs::copy_options::overwrite_existing);
    need(fs::file_size("target") == 100'000, "copy_file");
    fs::create_directories("a/b/c");
    fs::create_symlink("source", "link");
    fs::copy("a", "tree", fs::copy_options::recursive);
    fs::permissions("source", fs::perms::owner_read);
    fs::last_write_time("target", fs::file_time_type::clock::now());
    need(fs::space(".").capacity > 0, "space");
    need(fs::remove_all("tree") == 3, "remove_all");
}

int main() {
    threads();
    files();
    need(std::random_device{}() != std::random_device{}(), "random_device");
    need(std::system("exit 3") != 0, "system");
    std::cout << "ok" << std::endl;
}
