#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <concepts>
#include <cstdlib>
#include <format>
#include <fstream>
#include <iostream>
#include <netdb.h>
#include <ranges>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>

template <std::integral T> T checked(T result) {
    if (result < 0) {
        throw std::system_error(errno, std::generic_category());
    }
    return result;
}

auto characters(const std::string &text) {
    return std::ranges::count_if(text, [](unsigned char byte) { return (byte & 0xc0) != 0x80; });
}

void loopback() {
    addrinfo hints{.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found{};
    if (int failure = getaddrinfo("localhost", "0", &hints, &found)) {
        throw std::runtime_error(gai_strerror(failure));
    }
    int server = checked(socket(AF_INET, SOCK_STREAM, 0)), client = checked(socket(AF_INET, SOCK_STREAM, 0));
    checked(bind(server, found->ai_addr, found->ai_addrlen));
    checked(listen(server, 1));
    sockaddr where{};
    socklen_t size = sizeof where;
    checked(getsockname(server, &where, &size));
    std::jthread answering([server] {
        int peer = checked(accept(server, nullptr, nullptr));
        checked(write(peer, "ping", 4));
    });
    checked(connect(client, &where, size));
    std::string answer(4, ' ');
    checked(read(client, answer.data(), answer.size()));
    std::cout << answer << '\n';
}

void outside() {
    sockaddr_in where{.sin_family = AF_INET, .sin_port = htons(80)};
    inet_pton(AF_INET, "192.0.2.1", &where.sin_addr);
    connect(socket(AF_INET, SOCK_STREAM, 0), reinterpret_cast<sockaddr *>(&where), sizeof where);
    std::cout << std::format("errno {}\n", errno);
}

int main() {
    std::string line;
    std::getline(std::ifstream("/dev/stdin"), line);
    std::cout << line << ' ' << characters(line) << std::endl;
    std::ofstream("/dev/stdout") << "written again\n";
    loopback();
    outside();
    for (std::string folder : {"/box", "/tmp"}) {
        std::ofstream(folder + "/ß") << folder;
        std::getline(std::ifstream(folder + "/ß"), line);
        std::cout << line << '\n';
    }
    std::cout << std::getenv("OMP_NUM_THREADS") << '\n';
}
